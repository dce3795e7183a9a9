"""Whether a track's audio arrives, or is made up.

When packets stay away (the publisher's network, a stopped server) LiveKit goes on giving frames at their
pace: concealment, after a moment plain silence. Nobody is told. So the receiver's counters are asked:

    packets come    c   c   c   c                       c   c
    frames          |speech|   |concealed ............|speech|
    a gap                       ^ from the last packet ^ to the end of the concealment

A packet lost here and there is no gap. What is concealed for `STALL_SECONDS` on end is. So is 0.06 s
when packets were lost in it, not only late (a resumed connection loses some): a word may have been in them.
"""

from __future__ import annotations

from dataclasses import dataclass

from agent.core.timeline import STALL_SECONDS

LOST_SECONDS = 0.06
LOST_PACKETS = 4
"""Of 20 ms each. Measured: a resumed connection loses 5 to 8, and a word in them is not recognized."""
USUAL_SECONDS = 0.04
"""What audio waits in the receiver's buffer in calm: part of the media delay."""
LEAST_EMITTED_SECONDS = 0.1
USUAL_BUFFER_SECONDS = 0.15
"""A buffer that holds no more than this is no lag: part of the media delay, and of its jitter."""
NOISE_SECONDS = 0.05
"""Concealment between two reports that is no more than usual."""


@dataclass(frozen=True, slots=True)
class Arrivals:
    """A track's counters, from the beginning of its reception."""

    packets: int
    concealed_seconds: float
    """Audio that was made up because none arrived in time."""
    last_packet_seconds: float
    """Since the last packet arrived."""
    emitted_seconds: float = 0.0
    """Audio that did arrive and was given out."""
    lost: int = 0
    """Packets that did not come although later ones did."""
    buffered_seconds: float = 0.0
    """Sum over that audio of how long each second of it waited in the receiver's buffer."""


class Reception:
    """One track's reception. Reports in, spans of room time out that were not received."""

    def __init__(self, media_delay: float = 0.0) -> None:
        """`media_delay`: least time that audio takes from the speaker to here, seconds."""
        self._media_delay = media_delay
        self._last: tuple[Arrivals, float] | None = None
        self._since: float | None = None
        self._concealed = 0.0
        self._lost = 0
        self.lag = 0.0
        """Seconds that audio waits in the receiver's buffer beyond the usual: it was held back on its way."""

    def feed(self, arrivals: Arrivals, now: float) -> tuple[float, float] | None:
        """A report of room time `now`. Returns (start, end) of a stall that is over."""
        last, self._last = self._last, (arrivals, now)
        if last is None or arrivals.packets < last[0].packets:
            return self.stop(now)
        before, asked_at = last
        self._follow_lag(before, arrivals)
        concealed = arrivals.concealed_seconds - before.concealed_seconds
        if concealed <= NOISE_SECONDS:
            return self.stop(asked_at)
        goes_on = arrivals.last_packet_seconds >= concealed - NOISE_SECONDS
        began = self._since is None
        if self._since is None:
            self._since = now - arrivals.last_packet_seconds if goes_on else asked_at
        self._concealed += concealed
        self._lost += arrivals.lost - before.lost
        if goes_on:
            return None
        return self.stop(now if began else asked_at + concealed - self.lag)  # somewhere, or up to there

    def stop(self, now: float) -> tuple[float, float] | None:
        """Packets come again, or the track is over or muted, at `now`. Returns the stall, if it was one."""
        since, concealed, lost = self._since, self._concealed, self._lost
        self._since, self._concealed, self._lost = None, 0.0, 0
        least = LOST_SECONDS if lost >= LOST_PACKETS else STALL_SECONDS
        if since is None or min(concealed, now - since) < least:
            return None  # too short, or it was only late and is given out now
        return since - self._media_delay, now - self._media_delay

    def _follow_lag(self, before: Arrivals, now: Arrivals) -> None:
        emitted = now.emitted_seconds - before.emitted_seconds
        if emitted < LEAST_EMITTED_SECONDS:
            return
        waited = (now.buffered_seconds - before.buffered_seconds) / emitted
        self.lag = waited - USUAL_SECONDS if waited > USUAL_BUFFER_SECONDS else 0.0

    def stalled_for(self, now: float) -> float:
        """Seconds for which nothing has arrived; 0.0 while audio does."""
        if self._since is None or self._concealed < STALL_SECONDS:
            return 0.0
        return now - self._since
