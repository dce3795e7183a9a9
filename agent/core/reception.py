"""Whether a track's audio arrives, or is made up.

When packets stay away (the publisher's network, a stopped server) LiveKit goes on giving frames at their
pace: concealment, after a moment plain silence. Nobody is told. So the receiver's counters are polled:

    packets come    c   c   c   c                       c   c
    frames          |speech|   |concealed ............|speech|
    damage                      ^ from the last packet ^ to the end of the concealment

The counters tell how much audio was made up between two reports, but only for a stall that lasts over a
report also where. What is missing for readers is decided by `agent.core.concealment`.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from agent.core.model import Reason
from agent.core.timeline import STALL_SECONDS

PACKET_SECONDS = 0.02
"""Audio in one packet; the least that is made up at once."""
USUAL_SECONDS = 0.04
"""What audio waits in the receiver's buffer in calm: part of the media delay."""
LEAST_EMITTED_SECONDS = 0.1
USUAL_BUFFER_SECONDS = 0.15
"""A buffer that holds no more than this is no lag: part of the media delay, and of its jitter."""
LEAST_STALL_SECONDS = 0.15
"""Since the last packet, at a report from which on a stall may go on."""
NOISE_SECONDS = 0.05
"""Concealment between two reports that is no more than usual; packets come more often than that."""

SHARE_SECONDS = 10.0
"""The share of concealed audio is that of this much time."""
DAMAGED_SHARE = 0.04
"""From this share of concealed audio on, a track's audio is damaged."""
SOUND_SHARE = 0.01
"""Below this share it is not damaged any more."""
DAMAGED_REPORTS = 4
"""Damage lasts when it was found in at least this many of the reports; one burst is not enough."""


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
class Damage:
    """Somewhere in a span of room time, audio was made up."""

    start: float
    end: float
    seconds: float = 0.0
    """The longest piece that was made up and never arrived; 0.0 when audio may only have been late."""
    reason: Reason = Reason.STALLED
    in_pieces: float = 0.0
    """Seconds that were made up in all, where no piece is as long as a word."""


@dataclass(frozen=True, slots=True)
class _Report:
    arrivals: Arrivals
    at: float
    """Room time."""


class Reception:
    """One track's reception. Reports in, damage out."""

    def __init__(self, now: float, media_delay: float = 0.0) -> None:
        """It begins at room time `now`. `media_delay`: least time from the speaker to here, seconds."""
        self._media_delay = media_delay
        self._began = now
        self._last: _Report | None = None
        self._since: float | None = None
        self._concealed = 0.0
        self._lost = 0
        self._shares: deque[tuple[float, float]] = deque()
        """Concealed audio and all audio of each report, seconds; the newest last."""
        self._damaged = False
        self.concealed = 0.0
        """Seconds of audio that were made up between the last two reports."""
        self.lag = 0.0
        """Seconds that audio waits in the receiver's buffer beyond the usual: it was held back on its way."""

    def feed(self, arrivals: Arrivals, now: float) -> list[Damage]:
        """A report of room time `now`. Returns the damage since the last one, or a stall that is over."""
        last, self._last = self._last, _Report(arrivals, now)
        self.concealed = 0.0
        if last is None or arrivals.packets < last.arrivals.packets:
            return self.stop(now)
        self._follow_lag(last.arrivals, arrivals)
        self.concealed = concealed = max(arrivals.concealed_seconds - last.arrivals.concealed_seconds, 0.0)
        lost = max(arrivals.lost - last.arrivals.lost, 0)
        goes_on = concealed > NOISE_SECONDS and arrivals.last_packet_seconds >= max(
            concealed - NOISE_SECONDS, LEAST_STALL_SECONDS
        )
        began = self._since is None
        if began and goes_on:
            self._since = now - arrivals.last_packet_seconds
        if self._since is not None:
            self._concealed += concealed
            self._lost += lost
        self._follow_share(concealed, now - last.at)
        if began:
            return self._spotted(last, self._last) if lost or (concealed and not goes_on) else []
        if goes_on:
            return []
        ended = last.at + concealed - self.lag if concealed > NOISE_SECONDS else last.at
        return self.stop(ended) + (self._spotted(last, self._last, stalled=True) if lost else [])

    def stop(self, now: float) -> list[Damage]:
        """Packets come again, or the track is over or muted, at `now`. Returns the stall, if any."""
        since, concealed, lost = self._since, self._concealed, self._lost
        self._since, self._concealed, self._lost = None, 0.0, 0
        if since is None or now <= since:
            return []  # it was only late and is given out now
        missing = min(concealed, now - since)
        if not lost and missing < STALL_SECONDS:
            missing = 0.0
        return [Damage(since - self._media_delay, now - self._media_delay, missing)]

    def received_until(self) -> float:
        """Room time up to which what was said has arrived for certain: that of the last report at most."""
        if self._since is not None:
            return self._since - self._media_delay
        if self._last is None:
            return self._began - self._media_delay
        return self._last.at - self._last.arrivals.last_packet_seconds - self._media_delay

    def stalled_for(self, now: float) -> float:
        """Seconds for which nothing has arrived; 0.0 while audio does."""
        if self._since is None or self._concealed < STALL_SECONDS:
            return 0.0
        return now - self._since

    def damaged_share(self) -> float:
        """The share (0..1) of concealed audio while damage lasts; 0.0 while the audio is sound.

        Stalls do not count: they are reported by `stalled_for`.
        """
        share = sum(one[0] for one in self._shares) / max(sum(one[1] for one in self._shares), SHARE_SECONDS)
        reports = sum(one[0] > 0 for one in self._shares)
        if self._damaged:
            self._damaged = share >= SOUND_SHARE
        else:
            self._damaged = share >= DAMAGED_SHARE and reports >= DAMAGED_REPORTS
        return share if self._damaged else 0.0

    def _spotted(self, older: _Report, newer: _Report, *, stalled: bool = False) -> list[Damage]:
        """Damage of which only the two reports are known between which it happened."""
        delay = self._media_delay + self.lag
        seconds = 0.0 if stalled else _missing(older, newer)
        return [
            Damage(older.at - delay, newer.at - delay, seconds, in_pieces=0.0 if stalled else self.concealed)
        ]

    def _follow_share(self, concealed: float, elapsed: float) -> None:
        stalled = self._since is not None and self._concealed >= STALL_SECONDS
        self._shares.append((0.0 if stalled else concealed, elapsed))
        while sum(one[1] for one in self._shares) - self._shares[0][1] >= SHARE_SECONDS:
            self._shares.popleft()

    def _follow_lag(self, before: Arrivals, now: Arrivals) -> None:
        emitted = now.emitted_seconds - before.emitted_seconds
        if emitted < LEAST_EMITTED_SECONDS:
            return
        waited = (now.buffered_seconds - before.buffered_seconds) / emitted
        self.lag = waited - USUAL_SECONDS if waited > USUAL_BUFFER_SECONDS else 0.0


def _missing(older: _Report, newer: _Report) -> float:
    """The longest that can be missing on end between two reports, seconds; late audio is not missing."""
    before, after = older.arrivals, newer.arrivals
    lost, came = after.lost - before.lost, after.packets - before.packets
    if lost <= 0:
        return 0.0
    others = max(after.concealments - before.concealments - 1, 0) * PACKET_SECONDS
    concealed = after.concealed_seconds - before.concealed_seconds - others
    return max(concealed, (newer.at - older.at) * lost / (lost + came))
