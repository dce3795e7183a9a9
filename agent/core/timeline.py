"""Where the audio of a track lies in room time.

A track's samples are a good clock: frames keep coming while it is muted and silent. So room time is
`origin + sample / rate`, where the origin is the earliest that any frame suggests (arrival minus the
frame's place in the track): a frame can be delayed on its way, never hurried. A track is cut into pieces,
each with an origin that is later than the one before it:

    late by more than STALL_SECONDS, for good   a stall (publisher or network stopped): the frames since then
                                                are a new piece, and the time between is missing
    late by more than LATE_SECONDS, for good    a little was lost, or only delayed: a new piece, silently
    late by less, for DRIFT_SECONDS             the track's clock is slow: a new piece, silently
    early                                       the origin was wrong so far: it moves back

Frames come at their pace, but what is in them may be old: audio that the network held back and delivered at
once waits in the receiver's buffer. How long is told by `lagging`, and taken off.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from agent.core.model import SAMPLE_RATE

STALL_SECONDS = 0.5
SETTLE_SECONDS = 0.4
"""A stall is believed when frames came late for so long, at the pace of their audio."""
LATE_SECONDS = 0.12
"""Lateness beyond which frames may no longer belong to the running piece."""
SETTLE_LATE_SECONDS = 1.0
"""How long such frames must come late, at the pace of their audio."""
BURST_PACE = 1.5
"""Audio that comes faster than this is a backlog being worked off: it catches up, a stall does not."""
DRIFT_SECONDS = 5.0
"""Audio in which not one frame came as early as the origin says: the origin is behind."""
DRIFT_STEP_SECONDS = 0.001
LAG_STEP_SECONDS = 0.02
KEPT_PIECES = 2000
"""Those of some hours; no audio waits so long for its answer."""


@dataclass(slots=True)
class _Piece:
    first_sample: int
    origin: float
    """Room time of sample 0 if the whole track had run like this piece."""


@dataclass(frozen=True, slots=True)
class _Lag:
    first_sample: int
    seconds: float
    """How old the audio is from that sample on, beyond the usual delay."""


@dataclass(slots=True)
class _Late:
    """Frames that came late one after another."""

    first_sample: int
    first_end: int
    """The sample after the first of them."""
    since: float
    """Room time at which it came."""
    origin: float
    """The earliest that any of them suggests."""
    until: float = 0.0
    """Room time at which the last of them came."""


_Part = TypeVar("_Part", _Piece, _Lag)


class Timeline:
    """Maps sample numbers of one track to room time; rising samples give rising times."""

    def __init__(self, media_delay: float = 0.0) -> None:
        """`media_delay` is the least time (seconds) that audio takes from the speaker to its arrival here."""
        self._media_delay = media_delay
        self._pieces: list[_Piece] = []
        self._lags = [_Lag(0, 0.0)]
        self._late: _Late | None = None
        self._drift = _Piece(0, float("inf"))
        self.heard = 0
        """Samples received so far: the number of the next one."""

    def heard_frame(self, samples: int, now: float) -> tuple[float, float] | None:
        """Count a frame of `samples` that was received at room time `now`.

        Returns the span (start, end in room time) that is missing from the track if this frame made a
        stall certain, else None.
        """
        start = self.heard
        self.heard += samples
        origin = now - self._media_delay - self.heard / SAMPLE_RATE
        if not self._pieces:
            self._begin(_Piece(start, origin))
            return None
        lateness = origin - self._pieces[-1].origin
        if lateness > LATE_SECONDS:
            return self._late_frame(start, origin, now)
        self._late = None
        if lateness < 0:
            self._move_back(origin)
        self._follow_drift(origin)
        return None

    def end(self) -> tuple[float, float] | None:
        """No frame will follow, so frames that came late stay late. Returns what is missing, if anything."""
        return self._believe(self._late) if self._late and self._is_steady(self._late) else None

    def room_time(self, sample: int) -> float:
        """Room time (seconds) of a sample of this track. 0.0 before the first frame."""
        if not self._pieces:
            return 0.0
        lag = _at(self._lags, sample).seconds
        return _at(self._pieces, sample).origin - lag + sample / SAMPLE_RATE

    def end_time(self, sample: int) -> float:
        """Room time at which the span that ends before `sample` is over.

        Differs from `room_time(sample)` only where a piece begins: the end belongs to the piece before.
        """
        return self.room_time(sample - 1) + 1 / SAMPLE_RATE if sample else self.room_time(0)

    def lagging(self, seconds: float, since_seconds: float) -> None:
        """What was heard in the last `since_seconds`, and is from now on, is `seconds` old when it comes."""
        if abs(seconds - self._lags[-1].seconds) < LAG_STEP_SECONDS:
            return
        first = max(self.heard - round(since_seconds * SAMPLE_RATE), self._lags[-1].first_sample)
        self._lags.append(_Lag(first, seconds))
        del self._lags[:-KEPT_PIECES]

    def _begin(self, piece: _Piece) -> None:
        self._pieces.append(piece)
        del self._pieces[:-KEPT_PIECES]
        self._drift = _Piece(self.heard, float("inf"))

    def _late_frame(self, start: int, origin: float, now: float) -> tuple[float, float] | None:
        if self._late is None:
            self._late = _Late(start, self.heard, now, origin)
        late = self._late
        late.origin = min(late.origin, origin)
        late.until = now
        settled = SETTLE_SECONDS if self._is_stall(late) else SETTLE_LATE_SECONDS
        if now - late.since < settled or not self._is_steady(late):
            return None
        return self._believe(late)

    def _believe(self, late: _Late) -> tuple[float, float] | None:
        first = late.first_sample / SAMPLE_RATE
        missing = self._pieces[-1].origin + first, late.origin + first
        is_stall = self._is_stall(late)
        self._late = None
        self._begin(_Piece(late.first_sample, late.origin))
        return missing if is_stall else None

    def _is_stall(self, late: _Late) -> bool:
        return late.origin - self._pieces[-1].origin > STALL_SECONDS

    def _is_steady(self, late: _Late) -> bool:
        """True when the late frames came at the pace of their audio, not as a backlog."""
        return (self.heard - late.first_end) / SAMPLE_RATE <= BURST_PACE * (late.until - late.since)

    def _move_back(self, origin: float) -> None:
        """A frame came earlier than the origin allows; pieces that begin later than it says are undone."""
        while len(self._pieces) > 1 and origin <= self._pieces[-2].origin:
            self._pieces.pop()
        self._pieces[-1].origin = min(self._pieces[-1].origin, origin)

    def _follow_drift(self, origin: float) -> None:
        self._drift.origin = min(self._drift.origin, origin)
        if self.heard - self._drift.first_sample < DRIFT_SECONDS * SAMPLE_RATE:
            return
        if self._drift.origin > self._pieces[-1].origin + DRIFT_STEP_SECONDS:
            self._begin(self._drift)
        else:
            self._drift = _Piece(self.heard, float("inf"))


def _at(parts: Sequence[_Part], sample: int) -> _Part:
    """The part in which a sample lies."""
    if sample >= parts[-1].first_sample:
        return parts[-1]
    return parts[max(bisect_right(parts, sample, key=lambda part: part.first_sample) - 1, 0)]
