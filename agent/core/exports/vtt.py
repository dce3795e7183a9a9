"""WebVTT: cues with the speaker as voice (`<v label>`)."""

from __future__ import annotations

from agent.core.exports.clock import timestamp
from agent.core.exports.cues import Cue, cues
from agent.core.exports.record import Record

_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def render(record: Record) -> str:
    """The header, then a block a cue; a gap is a cue too. Any reader gives text and label back exactly."""
    return "WEBVTT\n" + "".join(f"\n{_block(cue)}\n" for cue in cues(record))


def _block(cue: Cue) -> str:
    voice = f"<v {cue.label.translate(_ESCAPES)}>"
    text = "\n".join(cue.lines).translate(_ESCAPES)
    return f"{timestamp(cue.start_ms, '.')} --> {timestamp(cue.end_ms, '.')}\n{voice}{text}"
