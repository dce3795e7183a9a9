"""Does a live room need a transcriber called? Decided from what the store knows of it.

A room has its transcriber when somebody's heart beats in the store and that somebody is not leaving. Else one
is called, but not while a job is on its way, nor while the last call may still be answered: a job that starts
slowly is not a missing one. Calls that nobody answers are made more and more rarely.
"""

from __future__ import annotations

from dataclasses import dataclass

from agent.core.backoff import growing_pause

BEAT_SECONDS = 1.0
"""How often a transcriber shows that it lives."""
DEAD_SECONDS = 3.0
"""A heart that has been still for so long: dead, or cut off from the store."""
GRACE_SECONDS = 2.0
"""A room this young is LiveKit's own task: it asks workers when a room comes to be."""
START_SECONDS = 15.0
"""From a worker's taking a job to the job's first beat, at the most."""
STEADY_SECONDS = 10.0
"""A transcriber that lived for so long was no failed start: its successor is called at once."""
FIRST_WAIT_SECONDS = 3.0
LONGEST_WAIT_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Watched:
    """What the store knows of one session's transcribers. Ages are seconds by its clock; None is never."""

    beat_age: float | None = None
    """Since the last beat; None also after one that left in order."""
    leaving_age: float | None = None
    """Since the transcriber said that it is leaving; None while it stays."""
    coming_age: float | None = None
    """Since a worker took a job for the room."""
    arrived_age: float | None = None
    """Since a successor, in the room, began to wait for its turn."""
    call_age: float | None = None
    """Since the last call of a supervisor."""
    calls: int = 0
    """Calls in a row that brought no steady transcriber."""
    call_stamp: int = 0
    """The last call's mark in the store: of supervisors that saw the same mark only one may call."""
    erased: bool = False
    """True when the session's transcript was erased: nothing more of it is to be written down."""

    @property
    def beating(self) -> bool:
        """True while a transcriber is in the room and lives, be it leaving or not."""
        return self.beat_age is not None and self.beat_age <= DEAD_SECONDS

    @property
    def served(self) -> bool:
        """True while a transcriber is in the room, lives, and means to stay."""
        return self.beating and self.leaving_age is None

    @property
    def succeeded(self) -> bool:
        """True when a successor waits for the one that is leaving."""
        return self._since_then(self.arrived_age) and self.leaving_age is not None

    @property
    def absence(self) -> float | None:
        """For how long there has been none that means to stay; None when there never was one."""
        return self.beat_age if self.leaving_age is None else self.leaving_age

    @property
    def tries(self) -> int:
        """Calls in a row that were in vain so far."""
        if self.call_age is None:
            return 0
        lived = None if self.absence is None else self.call_age - self.absence
        return 0 if lived is not None and lived >= STEADY_SECONDS else self.calls

    def _since_then(self, age: float | None) -> bool:
        """True for what happened after the last transcriber was lost, and not too long ago."""
        return age is not None and age < START_SECONDS and (self.absence is None or age < self.absence)

    @property
    def expected(self) -> bool:
        """True while a job is on its way or waits for its turn."""
        return self._since_then(self.coming_age) or self._since_then(self.arrived_age)


def needs_call(watched: Watched, room_age: float) -> bool:
    """Whether to call a transcriber now for a room with people in it; `room_age` in seconds."""
    if watched.erased or watched.served or watched.expected:
        return False
    if watched.absence is None and room_age < GRACE_SECONDS:
        return False
    return watched.call_age is None or watched.call_age >= wait_after(watched.tries)


def wait_after(tries: int) -> float:
    """Seconds to wait for the answer of the last of `tries` calls; 0 before the first."""
    if tries == 0:
        return 0.0
    return growing_pause(tries, FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS)
