"""Whether a track's audio arrives, or is made up.

When packets stay away (the publisher's network, a stopped server) LiveKit goes on giving frames at their
pace: concealment, after a moment plain silence. Nobody is told. So the receiver's counters are asked:

    packets come    c   c   c   c                       c   c
    frames          |speech|   |concealed ............|speech|
    a gap                       ^ from the last packet ^ to the end of the concealment

A packet lost here and there is no gap. What is concealed for `STALL_SECONDS` on end is. So is less
when packets were lost in it, not only late (a resumed connection loses some), several between two reports or
three on end: a word may have been in them.
"""

from __future__ import annotations

from dataclasses import dataclass

from agent.core.timeline import STALL_SECONDS

LOST_PACKETS = 4
"""Of 20 ms each. Measured: a resumed connection loses 5 to 8, and a word in them is not recognized."""
LOST_ON_END = 3
"""Packets that nothing came between; fewer leave a sound that still tells what was said."""
USUAL_SECONDS = 0.04
"""What audio waits in the receiver's buffer in calm: part of the media delay."""
LEAST_EMITTED_SECONDS = 0.1
USUAL_BUFFER_SECONDS = 0.15
"""A buffer that holds no more than this is no lag: part of the media delay, and of its jitter."""
NOISE_SECONDS = 0.05
"""Concealment between two reports that is no more than usual; packets come more often than that."""


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
    concealments: int = 0
    """How often audio had to be made up, however long on end."""
    lost: int = 0
    """Packets that did not come although later ones did."""
    buffered_seconds: float = 0.0
    """Sum over that audio of how long each second of it waited in the receiver's buffer."""


@dataclass(frozen=True, slots=True)
class _Report:
    arrivals: Arrivals
    at: float
    """Room time."""


class Reception:
    """One track's reception. Reports in, spans of room time out that were not received."""

    def __init__(self, now: float, media_delay: float = 0.0) -> None:
        """It begins at room time `now`. `media_delay`: least time from the speaker to here, seconds."""
        self._media_delay = media_delay
        self._began = now
        self._last: _Report | None = None
        self._last_but_one: _Report | None = None
        self._since: float | None = None
        self._concealed = 0.0
        self._lost = 0
        self._lost_on_end = 0
        self.lag = 0.0
        """Seconds that audio waits in the receiver's buffer beyond the usual: it was held back on its way."""

    def feed(self, arrivals: Arrivals, now: float) -> tuple[float, float] | None:
        """A report of room time `now`. Returns (start, end) of a stall that is over."""
        older, last, report = self._last_but_one, self._last, _Report(arrivals, now)
        self._last_but_one, self._last = last, report
        if last is None or arrivals.packets < last.arrivals.packets:
            self._last_but_one = None
            return self.stop(now)
        self._follow_lag(last.arrivals, arrivals)
        missing = self._follow_concealment(last, report)
        if missing is None and older is not None and self._since is None:
            missing = self._torn(older, last, report)
        if missing is not None:
            self._last_but_one = None  # what was lost before is told
        return missing

    def _follow_concealment(self, last: _Report, report: _Report) -> tuple[float, float] | None:
        arrivals, now = report.arrivals, report.at
        concealed = arrivals.concealed_seconds - last.arrivals.concealed_seconds
        if concealed <= NOISE_SECONDS:
            return self.stop(last.at)
        goes_on = arrivals.last_packet_seconds >= max(concealed - NOISE_SECONDS, NOISE_SECONDS)
        began = self._since is None
        if self._since is None:
            self._since = now - arrivals.last_packet_seconds if goes_on else last.at
        self._concealed += concealed
        self._lost += arrivals.lost - last.arrivals.lost
        self._lost_on_end = max(self._lost_on_end, _lost_on_end(last.arrivals, arrivals))
        if goes_on:
            return None
        return self.stop(now if began else last.at + concealed - self.lag)  # somewhere, or up to there

    def stop(self, now: float) -> tuple[float, float] | None:
        """Packets come again, or the track is over or muted, at `now`. Returns the stall, if it was one."""
        since, concealed = self._since, self._concealed
        has_lost = self._lost >= LOST_PACKETS or self._lost_on_end >= LOST_ON_END
        self._since, self._concealed, self._lost, self._lost_on_end = None, 0.0, 0, 0
        least = NOISE_SECONDS if has_lost else STALL_SECONDS
        if since is None or min(concealed, now - since) < least:
            return None  # too short, or it was only late and is given out now
        return self._told(since, now)

    def received_until(self) -> float:
        """Room time up to which what was said has arrived for certain: that of the last report at most."""
        if self._since is not None:
            return self._since - self._media_delay
        if self._last is None:
            return self._began - self._media_delay
        return self._last.at - self._last.arrivals.last_packet_seconds - self._media_delay

    def _torn(self, older: _Report, between: _Report, newest: _Report) -> tuple[float, float] | None:
        """Packets lost on end about the report between: counted before it, made up for after it."""
        concealed = newest.arrivals.concealed_seconds - older.arrivals.concealed_seconds
        if concealed <= NOISE_SECONDS or _lost_on_end(older.arrivals, newest.arrivals) < LOST_ON_END:
            return None
        return self._told((older.at + between.at) / 2, (between.at + newest.at) / 2)

    def _told(self, start: float, end: float) -> tuple[float, float]:
        return start - self._media_delay, end - self._media_delay

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


def _lost_on_end(older: Arrivals, newer: Arrivals) -> int:
    """The most packets that can have been lost one after another between two reports."""
    concealments = max(newer.concealments - older.concealments, 1)
    return newer.lost - older.lost - concealments + 1
