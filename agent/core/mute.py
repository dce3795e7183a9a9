"""When a track is muted: what is heard of it then, and what does not count as missing."""

from __future__ import annotations

from agent.core.timeline import STALL_SECONDS

GRACE_SECONDS = 0.3
"""Audio that was on its way when the mute was announced is still heard."""


class Mute:
    """The announcements of one track's mutes; room time, seconds."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._last = 0.0, 0.0
        """The latest mute that is over: from, until."""

    def begin(self, now: float) -> None:
        """It was announced; a second time changes nothing."""
        if self._since is None:
            self._since = now

    def end(self, now: float) -> bool:
        """It was taken back. False when there was none."""
        if self._since is None:
            return False
        self._last, self._since = (self._since, now), None
        return True

    def silences(self, now: float) -> bool:
        """True when a frame that comes now is not to be heard."""
        return self._since is not None and now > self._since + GRACE_SECONDS

    def cut_at(self) -> float | None:
        """When speech that goes on is cut; None while the track is not muted."""
        return None if self._since is None else self._since + GRACE_SECONDS

    def missing(self, start: float, end: float) -> list[tuple[float, float]]:
        """The parts of a span without frames that are a gap: some clients send nothing while muted."""
        first, last = self._last if self._since is None else (self._since, float("inf"))
        parts = [(start, min(end, first)), (max(start, last), end)]
        return [part for part in parts if part[1] - part[0] > STALL_SECONDS]
