"""Measurements of the worker beside a process that only receives the same tracks: `python -m bench --help`.

scenario.py     what is said in a run: rooms, speakers, sentences of marked words
room_process.py a process of its own for each room: says the words, notes what comes back and when
floor.py        a process that drains the same audio streams and does nothing else
subject.py      the program under test as a value: command and environment
measure.py      processor seconds and PSS of a process tree
words.py        pure: words said and words written -> once, lost, doubled, wrong speaker; delays; time errors
figures.py      pure: percentiles, and the rows of the table with their bounds
run.py          one scenario from start to end
service.py      start time, room creation and token times of the token service
report.py       the table and the JSON
"""
