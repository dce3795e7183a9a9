"""What readers were told of each speaker, who may have several tracks, or leave in trouble and come back.

Each track says how it is; a speaker is as its worst track. A fault outlives its track: the next track of the
speaker takes it back with its first answer, or one that goes on at once.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable

from agent.core.model import Reason, Speaker, State, Status

_ORDER = (State.LISTENING, State.DEGRADED, State.STOPPED)


def worst(latest: Iterable[Status]) -> Status | None:
    """The state of a room, from the latest status of the room and of each speaker; None when there is none.

    A speaker who does not want to be transcribed is no fault. Of equally bad ones it is the room's own, else
    the first.
    """
    faults = [status for status in latest if status.reason is not Reason.OPTED_OUT]
    return max(faults, key=lambda status: (*_rank(status), status.speaker is None), default=None)


def _rank(status: Status) -> tuple[int, bool]:
    """How bad it is. That speech has no words may only follow from another fault, which then says more."""
    known = status.state in _ORDER  # a newer program may write further states
    return _ORDER.index(status.state if known else State.DEGRADED), status.reason is not Reason.NO_WORDS


class Statuses:
    """Tracks' statuses in, speakers' statuses out."""

    def __init__(self) -> None:
        self._faults: dict[Hashable, tuple[Speaker, Status]] = {}
        self._told: dict[str, Status] = {}

    def know(self, statuses: Iterable[Status]) -> None:
        """An earlier transcriber told these, in order: the fault that is left outlives it like a track."""
        for status in statuses:
            if status.speaker is None:
                continue
            if status.state is State.LISTENING:
                self._told.pop(status.speaker.identity, None)
            else:
                self._told[status.speaker.identity] = status

    def told(self, speaker: Speaker) -> Status | None:
        """The fault that readers know of; None when all is well."""
        return self._told.get(speaker.identity)

    def feed(self, track: Hashable, speaker: Speaker, status: Status) -> Status | None:
        """`track` of `speaker` says how it is. Returns what readers are to be told, if anything."""
        if status.state is State.LISTENING:
            self._faults.pop(track, None)
        else:
            self._faults[track] = speaker, status
        return self._tell(speaker)

    def over(self, track: Hashable, speaker: Speaker, *, heard: bool) -> Status | None:
        """A track is over; `heard`: another one of the speaker goes on."""
        self._faults.pop(track, None)
        return self._tell(speaker) if heard else None

    def _tell(self, speaker: Speaker) -> Status | None:
        faults = [fault for owner, fault in self._faults.values() if owner.identity == speaker.identity]
        told = self.told(speaker)
        if not faults:
            self._told.pop(speaker.identity, None)
            return None if told is None else Status(State.LISTENING, speaker=speaker)
        worst = max(faults, key=_rank)
        if told is not None and (told.state, told.reason) == (worst.state, worst.reason):
            return None
        self._told[speaker.identity] = worst
        return worst
