"""Random faults for as long as asked: `python -m bench.soak --help`.

storm.py     which fault comes when, from a seed
meetings.py  rooms that are always in a meeting, one after the other, each counted
looks.py     memory, processes, threads and files of the workers, and what their logs complain of
report.py    figures, bounds, JSON
"""
