"""Markdown (CommonMark): a heading, a paragraph a segment under its speaker and time; gaps are quotes."""

from __future__ import annotations

import re

from agent.core.exports.clock import clock
from agent.core.exports.plain import gap_note, label_of, one_line
from agent.core.exports.record import Record
from agent.core.model import Gap, State

_MARKS = re.compile(r"""[\\`*_{}\[\]<>#&~|$!^]""")
_BEGINNINGS = re.compile(r"^([-+=:]|\d+(?=[.)]))")
"""What at the beginning of a line is a list, a heading or a table."""


def render(record: Record) -> str:
    """In order of start; text that looks like Markdown is shown as it is."""
    blocks = [f"# {_text(record.room) or 'Transcript'}", _head(record)]
    for _, entry in record.entries:
        who = f"**{_text(label_of(entry.speaker))}** {clock(entry.start)}"
        if isinstance(entry, Gap):
            blocks.append(f"> {who} {_text(gap_note(entry))}")
        else:
            blocks += [who, _text(entry.text)]
    if not record.segments and not record.gaps:
        blocks.append("Nothing was said.")
    return "\n\n".join(blocks) + "\n"


def _head(record: Record) -> str:
    lines = [f"- Session {_text(record.session)}", f"- Began {_text(record.started_at)}"]
    lines.append(f"- Ended {_text(record.ended_at)}" if record.ended_at else "- Not ended yet")
    if record.state and record.state.state is not State.LISTENING:
        reason = f": {record.state.reason.value.replace('_', ' ')}" if record.state.reason else ""
        whose = f" ({_text(label_of(record.state.speaker))})" if record.state.speaker else ""
        lines.append(f"- Transcription {record.state.state.value}{reason}{whose}")
    return "\n".join(lines)


def _text(text: str) -> str:
    """One line of Markdown that shows `text`."""
    line = " ".join(one_line(text).split())
    return _BEGINNINGS.sub(_escaped, _MARKS.sub(r"\\\g<0>", line))


def _escaped(found: re.Match[str]) -> str:
    """`-` -> `\\-`; `12` (before a dot) -> `12\\`."""
    return f"{found[0]}\\" if found[0].isdigit() else f"\\{found[0]}"
