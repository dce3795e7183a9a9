"""Plain text: `[HH:MM:SS] label: text`, one segment or gap a line, with the time since the room began.

Text that is written from right to left is embedded as such (U+202B, U+202C).
"""

from __future__ import annotations

from agent.core.exports.clock import clock
from agent.core.exports.plain import gap_note, label_of, said
from agent.core.exports.record import Record
from agent.core.model import Gap


def render(record: Record) -> str:
    """One line a segment or gap, in order of start."""
    return "".join(
        f"[{clock(entry.start)}] {label_of(entry.speaker)}: "
        f"{gap_note(entry) if isinstance(entry, Gap) else said(entry.text)}\n"
        for _, entry in record.entries
    )
