"""Participants whose connection was lost, and who may come back.

    heard ---- nothing arrives ---- removed ............ back ---- heard again
               (gap, stalled)       |-- gap, connection lost ---------|

LiveKit removes a participant of whom it has not heard for a while, as if the participant had left. Its client
may still be talking, and rejoin under the same identity. What it said meanwhile is missing. Tracks end a
moment before it is known why.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agent.core.model import Gap, Reason, Speaker
from agent.core.outage import SETTLE_SECONDS, Heard

REASON_SECONDS = 1.0
"""How long after a track's end it is known whether its participant was removed."""


@dataclass(frozen=True, slots=True)
class Absent:
    """One track's speaker who is not heard since the removal."""

    speaker: Speaker
    track_sid: str
    source: str
    since: float
    """Room time of the removal."""

    def gap(self, until: float) -> list[Gap]:
        if until <= self.since:
            return []
        return [Gap(self.speaker, self.track_sid, self.since, until, Reason.CONNECTION_LOST)]


class Absences:
    """The participants of one session who were lost; events in, gaps out. Room time, seconds."""

    def __init__(self) -> None:
        self._just_ended: list[tuple[Heard, float]] = []
        self._absent: list[Absent] = []

    @property
    def all(self) -> Sequence[Absent]:
        """Those who were lost and are not heard again, an entry for each track."""
        return tuple(self._absent)

    @property
    def speakers(self) -> dict[str, Speaker]:
        """Identity -> who was lost and is not heard again."""
        return {one.speaker.identity: one.speaker for one in self._absent}

    def ended(self, track: Heard, now: float) -> None:
        """A track is gone; why will be known in a moment."""
        self._just_ended.append((track, now))

    def lost(self, identity: str, now: float) -> None:
        """A participant was removed because its connection was lost. A muted one is not missed."""
        for track, at in self._just_ended:
            if track.speaker.identity == identity and now - at < REASON_SECONDS and not track.is_muted:
                self._absent.append(Absent(track.speaker, track.track_sid, track.source, at))
        self._just_ended = [one for one in self._just_ended if one[0].speaker.identity != identity]

    def left(self, identity: str) -> None:
        """A participant left, or was removed on purpose: it is not awaited."""
        self._absent = [one for one in self._absent if one.speaker.identity != identity]

    def tick(self, now: float, running: Sequence[Heard]) -> list[Gap]:
        """The gaps of those who are heard again, when `running` are the tracks being received."""
        self._just_ended = [one for one in self._just_ended if now - one[1] < REASON_SECONDS]
        gaps: list[Gap] = []
        for track in running if self._absent else ():
            settled = track.heard_until - track.heard_from >= SETTLE_SECONDS
            if not settled and not track.is_muted:
                continue
            back = [one for one in self._absent if _is_of(one, track)]
            self._absent = [one for one in self._absent if one not in back]
            gaps += [gap for one in back for gap in one.gap(track.heard_from if settled else now)]
        return gaps


def _is_of(absent: Absent, track: Heard) -> bool:
    return absent.speaker.identity == track.speaker.identity and absent.source == track.source
