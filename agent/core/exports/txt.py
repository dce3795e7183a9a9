"""Plain text: `[HH:MM:SS] label: text`, one segment or gap a line, with the time since the room began."""

from __future__ import annotations

from agent.core.exports.clock import clock
from agent.core.exports.plain import gap_note, label_of, one_line
from agent.core.exports.record import Record
from agent.core.model import Gap


def render(record: Record) -> str:
    """One line a segment or gap, in order of start."""
    return "".join(
        f"[{clock(entry.start)}] {label_of(entry.speaker)}: "
        f"{gap_note(entry) if isinstance(entry, Gap) else one_line(entry.text)}\n"
        for _, entry in record.entries
    )
