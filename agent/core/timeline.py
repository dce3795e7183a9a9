"""Where the audio of a track lies in room time.

A track's samples are a good clock: frames keep coming while it is muted and silent. So room time is
`origin + sample / rate`, where the origin is the earliest that any frame suggests (arrival minus the
frame's place in the track): a frame can be delayed on its way, never hurried. When frames stay away and
later ones come late for good (a stall: the publisher or the network stopped), a new piece begins with an
origin of its own, and the time between is missing from the track.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

from agent.core.model import SAMPLE_RATE

STALL_SECONDS = 0.5
"""Lateness beyond which frames no longer belong to the running piece."""
SETTLE_SAMPLES = SAMPLE_RATE
"""A stall is believed once a second of audio was late: a busy event loop catches up, a stall does not."""


@dataclass(slots=True)
class _Piece:
    first_sample: int
    origin: float
    """Room time of sample 0 if the whole track had run like this piece."""


class Timeline:
    """Maps sample numbers of one track to room time; rising samples give rising times."""

    def __init__(self) -> None:
        self._pieces: list[_Piece] = []
        self._late_from: int | None = None
        self._late_origin = 0.0
        self.heard = 0
        """Samples received so far: the number of the next one."""

    def heard_frame(self, samples: int, now: float) -> tuple[float, float] | None:
        """Count a frame of `samples` that was received at room time `now`.

        Returns the span (start, end in room time) that is missing from the track if this frame made a
        stall certain, else None.
        """
        start = self.heard
        self.heard += samples
        origin = now - self.heard / SAMPLE_RATE
        if not self._pieces:
            self._pieces.append(_Piece(start, origin))
            return None
        piece = self._pieces[-1]
        if origin - piece.origin <= STALL_SECONDS:
            self._late_from = None
            piece.origin = max(min(piece.origin, origin), self._floor(piece))
            return None
        if self._late_from is None:
            self._late_from, self._late_origin = start, origin
        self._late_origin = min(self._late_origin, origin)
        if self.heard - self._late_from < SETTLE_SAMPLES:
            return None
        missing_from = piece.origin + self._late_from / SAMPLE_RATE
        self._pieces.append(_Piece(self._late_from, self._late_origin))
        self._late_from = None
        return missing_from, self._pieces[-1].origin + self._pieces[-1].first_sample / SAMPLE_RATE

    def room_time(self, sample: int) -> float:
        """Room time (seconds) of a sample of this track. 0.0 before the first frame."""
        if not self._pieces:
            return 0.0
        index = bisect_right(self._pieces, sample, key=lambda piece: piece.first_sample) - 1
        return self._pieces[max(index, 0)].origin + sample / SAMPLE_RATE

    def end_time(self, sample: int) -> float:
        """Room time at which the span that ends before `sample` is over.

        Differs from `room_time(sample)` only where a piece begins: the end belongs to the piece before.
        """
        return self.room_time(sample - 1) + 1 / SAMPLE_RATE if sample else self.room_time(0)

    def _floor(self, piece: _Piece) -> float:
        """The origin below which `piece` would overlap the one before it."""
        before = self._pieces[-2] if len(self._pieces) > 1 else None
        return before.origin if before else float("-inf")
