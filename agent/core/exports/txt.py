"""Plain text: `[HH:MM:SS] label: text`, one segment a line."""

from __future__ import annotations

from collections.abc import Iterable

from agent.core.model import Segment


def render(segments: Iterable[Segment]) -> str:
    """One line a segment, in the order given, with the time since the room was created."""
    return "".join(
        f"[{_clock(segment.start)}] {_one_line(segment.speaker.label)}: {_one_line(segment.text)}\n"
        for segment in segments
    )


def _clock(seconds: float) -> str:
    """Whole seconds, never rounded up; what was said before the room was created is at its beginning."""
    whole = max(0, int(seconds))
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}"


def _one_line(text: str) -> str:
    """A line break of any kind, in a text or a name, would look like another line of the record."""
    return " ".join(text.splitlines())
