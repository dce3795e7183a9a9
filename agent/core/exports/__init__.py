"""The record as files: one module a format, each with `render(record) -> str`, and their registry.

Times are rounded once (clock.py). What a format cannot hold is made into what it can (plain.py).
Subtitles are made of cues (fragments.py, graphemes.py, cues.py). A gap is in every format: a line, a row,
a quote, a cue.
Another format is another module and another line here; tests/contract/test_exports.py then runs on it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from agent.core.exports import csv, json, md, srt, txt, vtt
from agent.core.exports.record import Record

__all__ = ["FORMATS", "Format", "Record"]


@dataclass(frozen=True, slots=True)
class Format:
    """One way to write the record."""

    render: Callable[[Record], str]
    media_type: str
    """As in `Content-Type`; the text is UTF-8."""


FORMATS = {
    "json": Format(json.render, "application/json"),
    "txt": Format(txt.render, "text/plain; charset=utf-8"),
    "srt": Format(srt.render, "application/x-subrip; charset=utf-8"),
    "vtt": Format(vtt.render, "text/vtt; charset=utf-8"),
    "csv": Format(csv.render, "text/csv; charset=utf-8; header=present"),
    "md": Format(md.render, "text/markdown; charset=utf-8"),
}
"""Name, which is also the file's extension -> format."""
