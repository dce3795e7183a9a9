"""Faults on real parts while known words are spoken: `python -m bench.faults --help`.

tally.py        pure: words said, words written, gaps -> once, doubled, lost without a gap, wrong speaker
rows.py         every fault as data, with its bounds
row.py          what a row and its outcome are; which bounds an outcome breaks
orders.py       what a scene and its voices tell each other
voice.py        a process of its own for each participant: talks, mutes, leaves when told
cast.py         the scene's side of a voice
site.py         a LiveKit server, a recognizer, a record and the workers: what a row breaks
kinds.py        the kinds of sites: SQLite, PostgreSQL, a small disk
scene.py        a room, those in it, what they say
reading.py      what is written: in the record, and in the hands of a listener
play.py         one row from the first word to the count
recognizer.py, people.py, hosts.py, storage.py, network.py   the faults
priority.py     voices and the LiveKit server go before what is tested
pressure.py     how full the machine was meanwhile
lanes.py        rows shared out to sites that run side by side
table.py        the table and the JSON
"""
