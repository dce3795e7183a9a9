"""Room time as readers see it. Rounded once, to the millisecond that JSON shows; clocks are made of that."""

from __future__ import annotations

from math import isfinite

from agent.core.fields import seconds


def milliseconds(room_time: float) -> int:
    """Seconds -> whole milliseconds; what was said before the room was created is at its beginning."""
    return max(0, round(seconds(room_time) * 1000)) if isfinite(room_time) else 0


def clock(room_time: float) -> str:
    """`HH:MM:SS` of the second that has begun; hours have as many digits as they need."""
    return _clock(milliseconds(room_time) // 1000)


def timestamp(at_ms: int, mark: str) -> str:
    """`HH:MM:SS,mmm`, with `mark` in the comma's place."""
    return f"{_clock(at_ms // 1000)}{mark}{at_ms % 1000:03}"


def _clock(whole: int) -> str:
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}"
