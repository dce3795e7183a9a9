"""CSV of RFC 4180: a header, then one row a segment or gap; every cell in quotes, every row ends with CRLF.

Spreadsheets run a cell that begins with `=`, `+`, `-`, `@` (or their full-width forms) as a formula, also
after blanks, and after a `;` inside a cell where that separates cells. An apostrophe in front prevents it.
Excel takes UTF-8 for something else when it opens the file by itself; its import (Data, From Text/CSV) asks.
"""

from __future__ import annotations

import csv
import io
import re

from agent.core.exports.clock import milliseconds
from agent.core.exports.plain import gap_reason, label_of, one_line
from agent.core.exports.record import Record
from agent.core.model import Gap, Segment

COLUMNS = (
    *("type", "seq", "start", "end", "speaker", "name", "role", "identity"),
    *("source", "language", "confidence", "reason", "text"),
)
_FORMULA = re.compile(r"""(^|;)([\s"']*)(?=[=+\-@＝＋－＠])""")


def render(record: Record) -> str:
    """A row a segment or gap, in order of start; times are seconds with three decimals."""
    file = io.StringIO()
    writer = csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    writer.writerows([_cell(value) for value in _row(seq, entry)] for seq, entry in record.entries)
    return file.getvalue()


def _row(seq: int, entry: Segment | Gap) -> list[str]:
    speaker = entry.speaker
    head = [str(seq), _seconds(entry.start), _seconds(entry.end), label_of(speaker)]
    who = [speaker.name, speaker.role, speaker.identity]
    if isinstance(entry, Gap):
        return ["gap", *head, *who, "", "", "", gap_reason(entry), ""]
    sure = "" if entry.confidence is None else f"{entry.confidence:.4f}"
    return ["segment", *head, *who, entry.source, entry.language, sure, "", entry.text]


def _seconds(room_time: float) -> str:
    whole, rest = divmod(milliseconds(room_time), 1000)
    return f"{whole}.{rest:03}"


def _cell(text: str) -> str:
    """One line that no spreadsheet runs."""
    return _FORMULA.sub(r"\1\2'", one_line(text).replace("\t", " ").strip())
