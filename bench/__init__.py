"""Measurements of the worker beside a process that only receives the same tracks: `python -m bench --help`.

scenario.py     pure: what is said in a run, by whom and when
words.py        pure: words said and words written -> once, lost, doubled, wrong speaker; delays; time errors
figures.py      pure: percentiles; a row with its bound
values.py       what a run gave
rows.py         pure: a run and its floor -> rows, with the bounds of the design's section 11
room_process.py a process of its own for each room: says the words, notes what comes back and when
exchange.py     what it and the bench tell each other
crew.py         all room processes of a run
rooms.py        rooms made ahead, each with its transcriber
floor.py        a process that drains the same audio streams and does nothing else
floors.py       all floor processes of a run
subject.py      the program under test as a value: command and environment
recognizer.py   the scripted recognizer in a process of its own
measure.py      processor seconds and PSS of a process tree
run.py          one scenario from start to end
exports.py      times of the exports of a long meeting
streams.py      many readers of one live stream: `python -m bench.streams`
joining.py      many who join it at once, and what the others notice: `python -m bench.streams --joining 100`
service.py      start, room creation and token times of the token service
report.py       the table and the JSON
"""
