"""What the store knows of who transcribes: heartbeats, calls, and who may call. Written often, read rarely.

All ages are by the database's own clock, so that hosts whose clocks differ agree on who is dead.
Contract suite: `tests/contract/test_stores_supervision.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from agent.core.succession import Marks
from agent.core.supervision import Watched

LEASE_SECONDS = 3.0
"""A leader that has not checked in for so long is followed by another one."""
PRESENT_SECONDS = 5.0
"""A worker that has not checked in for so long takes no jobs."""
ABANDONED = 50
"""As many at the most are told of in one call."""
FORGET_SECONDS = 86_400.0
"""Calls and workers of which nothing was heard for so long are deleted."""


@dataclass(frozen=True, slots=True)
class Duty:
    """What a supervisor has to do until it checks in again."""

    leads: bool
    """True: it is the one that acts."""
    takers: int
    """Workers, all together, that take jobs."""


@dataclass(frozen=True, slots=True)
class Abandoned:
    """A session without an end whose transcriber is silent."""

    room: str
    session: str
    started_at: str
    """ISO 8601, UTC."""
    silent_seconds: float | None = field(default=None, compare=False)
    """How long ago its last transcriber showed that it lives; None when there was none."""


class Watching(Protocol):
    """What readers may ask, too. Raises `StoreError` when the database is away; has a time limit."""

    async def watched(self, sessions: Sequence[str]) -> dict[str, Watched]:
        """What is known of each; a session of which nothing is known is an empty `Watched`."""
        ...


class Supervision(Watching, Protocol):
    """All calls raise `StoreError` when the database is away; each has a time limit."""

    async def beat(self, session: str, epoch: int, marks: Marks | None) -> None:
        """The session's transcriber lives. `marks` None keeps those of the last beat.

        Raises:
            SessionFenced: another transcriber has taken the session over.
        """
        ...

    async def leave(self, session: str, epoch: int) -> None:
        """The transcriber wants a successor; it stays, and beats, until there is one.

        Raises:
            SessionFenced: another transcriber has taken the session over.
        """
        ...

    async def release(self, session: str, epoch: int, marks: Marks) -> None:
        """The transcriber has written its last: a successor may begin.

        Raises:
            SessionFenced: another transcriber has taken the session over.
        """
        ...

    async def announce(self, session: str) -> None:
        """A worker has taken a job for this session: its transcriber is on the way."""
        ...

    async def arrive(self, session: str) -> None:
        """A successor is in the room and waits for its turn."""
        ...

    async def call(self, session: str, stamp: int, calls: int) -> bool:
        """Claim the next call; True for exactly one of those that saw the same `call_stamp`."""
        ...

    async def abandoned(self, silent_seconds: float) -> list[Abandoned]:
        """Sessions without an end of whose transcribers nothing was heard for so long, newest first."""
        ...

    async def check_in(self, supervisor: str, agent_name: str, *, takes_jobs: bool, may_lead: bool) -> Duty:
        """Be known for the next seconds as one that takes jobs of this name, or not; lead if nobody does."""
        ...

    async def check_out(self, supervisor: str) -> None:
        """Be known no longer; another supervisor may lead at once."""
        ...

    async def takers(self, agent_name: str) -> int:
        """Workers of this name that take jobs."""
        ...
