"""Who was not heard because the room's own connection broke, and from when to when.

    lost ---- tracks end: a hole opens for each ---- restored ---- tracks begin: a hole closes with the first
                                                                  half second that is heard

A reconnect that makes everything anew takes the tracks away, sometimes a moment before it says so, and
brings them back as other objects, after a restart of the server under other sids as well. Whoever begins to
publish meanwhile was not heard since the loss; whoever does not come back is missed until the restoration.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from agent.core.model import Gap, Reason, Speaker

LEAD_SECONDS = 0.5
"""Tracks that ended so shortly before the loss was told were taken away by it."""
SETTLE_SECONDS = 0.5
"""Audio after which it is certain when a track began to be heard again."""
ABSENT_SECONDS = 20.0
"""So long after the restoration others may still be reconnecting: LiveKit gives them up after this time."""


class Heard(Protocol):
    """What is asked of a track; all times are room time, seconds."""

    @property
    def speaker(self) -> Speaker: ...
    @property
    def track_sid(self) -> str: ...
    @property
    def source(self) -> str: ...
    @property
    def is_muted(self) -> bool: ...
    @property
    def heard_from(self) -> float: ...
    @property
    def heard_until(self) -> float: ...


@dataclass(slots=True, eq=False)
class Hole:
    """Somebody who is not heard."""

    track: Heard
    """The track that ended; its last audio may still be on its way."""
    lost_at: float
    until: float = 0.0
    """When the track that came back ended without having been heard; 0 while it may come."""

    @property
    def speaker(self) -> Speaker:
        """Who it is."""
        return self.track.speaker

    @property
    def track_sid(self) -> str:
        """Of the track that ended."""
        return self.track.track_sid

    @property
    def since(self) -> float:
        """Room time; frames of a muted track may have stayed away long before."""
        unheard = self.track.is_muted or _heard_seconds(self.track) <= 0
        return self.lost_at if unheard else self.track.heard_until

    def gap(self, until: float) -> list[Gap]:
        """The gap that ends at `until`."""
        track = self.track
        if until <= self.since:
            return []
        return [Gap(track.speaker, track.track_sid, self.since, until, Reason.CONNECTION_LOST)]


class Outage:
    """Breaks of one room's connection; events in, gaps out."""

    def __init__(self) -> None:
        self._lost_at: float | None = None
        self._restored_at = 0.0
        self._last: tuple[float, float] | None = None
        self._just_ended: list[tuple[Heard, float]] = []
        self._holes: list[Hole] = []
        self._newcomers: dict[str, float] = {}

    @property
    def lost(self) -> bool:
        """True from the loss to the restoration."""
        return self._lost_at is not None

    @property
    def awaits_somebody(self) -> bool:
        """True while somebody who was there may come back."""
        return self.lost or bool(self._holes or self._newcomers)

    @property
    def missing(self) -> Sequence[Hole]:
        """Those who were there and are not heard."""
        return tuple(self._holes)

    def begin(self, now: float) -> None:
        """The connection is lost."""
        if self._lost_at is not None:
            return
        self._lost_at = now
        for track, ended_at in self._just_ended:
            if ended_at >= now - LEAD_SECONDS:
                self._open(track, now)
        self._just_ended.clear()

    def ended(self, track: Heard, now: float) -> None:
        """A track is gone."""
        if self._lost_at is not None:
            self._open(track, self._lost_at)
            return
        for hole in self._holes:
            if _same(hole.track, track):
                hole.until = now
        if (since := self._newcomers.pop(track.track_sid, None)) is not None:
            self._holes.append(Hole(track, since, until=now))
        self._just_ended.append((track, now))

    def published(self, track_sid: str, running: Iterable[Heard]) -> None:
        """A track is offered. While the connection is lost it was not heard from its beginning."""
        known = [*running, *(hole.track for hole in self._holes)]
        if self._lost_at is not None and all(track.track_sid != track_sid for track in known):
            self._newcomers.setdefault(track_sid, self._lost_at)

    def restore(self, now: float) -> None:
        """The connection is back."""
        if self._lost_at is not None:
            self._last = self._lost_at, now
            self._lost_at, self._restored_at = None, now

    def tick(self, now: float, running: Sequence[Heard]) -> list[Gap]:
        """The gaps that are certain at `now`, when `running` are the tracks being received."""
        self._just_ended = [one for one in self._just_ended if one[1] >= now - LEAD_SECONDS]
        gaps = [gap for track in running for gap in self._heard_again(track)]
        if not self.lost and now - self._restored_at >= ABSENT_SECONDS:
            gaps += self.end(self._restored_at)
        return gaps

    def end(self, now: float) -> list[Gap]:
        """Nobody who is missing will come back: what was not heard until `now`."""
        holes, self._holes = self._holes, []
        self._newcomers.clear()
        return [gap for hole in holes for gap in hole.gap(hole.until or now)]

    def explains(self, gap: Gap) -> bool:
        """True when frames stayed away while the connection was lost, the last time or now."""
        begin, end = self._last or (float("inf"), float("inf"))
        if self._lost_at is not None:
            begin, end = self._lost_at, float("inf")
        return gap.reason is Reason.STALLED and gap.start <= end and gap.end >= begin

    def _open(self, track: Heard, lost_at: float) -> None:
        if not any(_same(hole.track, track) for hole in self._holes):
            self._holes.append(Hole(track, lost_at))

    def _heard_again(self, track: Heard) -> list[Gap]:
        """The gaps that end with the beginning of `track`."""
        settled = _heard_seconds(track) >= SETTLE_SECONDS
        if not settled and (self.lost or not track.is_muted):
            return []
        until = track.heard_from if settled else self._restored_at
        over = [hole for hole in self._holes if hole.track is not track and _same(hole.track, track)]
        self._holes = [hole for hole in self._holes if hole not in over]
        gaps = [gap for hole in over for gap in hole.gap(until)]
        since = self._newcomers.pop(track.track_sid, None)
        if since is not None and not gaps:
            gaps.append(Gap(track.speaker, track.track_sid, since, until, Reason.CONNECTION_LOST))
        return gaps


def _heard_seconds(track: Heard) -> float:
    return track.heard_until - track.heard_from


def _same(one: Heard, other: Heard) -> bool:
    """True for two objects of one track, or two tracks of one kind and person."""
    return one.track_sid == other.track_sid or (
        one.speaker.identity == other.speaker.identity and one.source == other.source
    )
