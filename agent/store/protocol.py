"""What the worker writes and everybody reads: the record of a session.

A store keeps the items of a session under rising numbers (`seq`, 1, 2, 3 …) given by the one writer
that holds the session's epoch. A later writer takes a higher epoch; the earlier one's writes then
raise `SessionFenced`. Contract suite: `tests/contract/test_stores.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from agent.core.model import Accounting, End, Gap, Item, Segment, Speaker, Status, Window


@dataclass(frozen=True, slots=True)
class Opened:
    """What a writer needs to begin, or to go on after another one."""

    epoch: int
    """1 for the first writer of the session, one more for each successor."""
    last_seq: int
    """The highest seq in the store, 0 when it is empty."""
    speakers: tuple[Speaker, ...] = ()
    """Speakers with the labels they have had so far, in order of first appearance."""
    last_windows: Mapping[int, int] = field(default_factory=dict)
    """window_id -> highest stored revision."""


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """One life of a room, as listed."""

    room: str
    session: str
    """The room's sid."""
    started_at: str
    """ISO 8601, UTC: the room's creation."""
    ended_at: str | None
    """ISO 8601, UTC; None while it runs."""
    last_seq: int
    state: Status | None
    """The last stored status of the whole room."""
    accounting: tuple[Accounting, ...] = ()


@dataclass(frozen=True, slots=True)
class Stored:
    """One item with its number."""

    seq: int
    item: Item


class Store(Protocol):
    """All calls raise `StoreError` when the database is away; each has a time limit."""

    async def open_session(self, room: str, session: str, started_at: str) -> Opened:
        """Begin, or take over, a session: raises its epoch and returns where to go on."""
        ...

    async def write(self, session: str, epoch: int, items: Sequence[Stored]) -> None:
        """Store `items` in one transaction. Writing the same seq again is harmless.

        A stored segment is a final with text. An `End` closes the session.

        Raises:
            SessionFenced: another writer has taken the session over.
        """
        ...

    async def save_speakers(self, session: str, epoch: int, speakers: Sequence[Speaker]) -> None:
        """Keep the labels for a successor.

        Raises:
            SessionFenced: another writer has taken the session over.
        """
        ...

    async def save_accounting(self, session: str, epoch: int, sums: Sequence[Accounting]) -> None:
        """Keep the running sums, so that they can be read while the session runs.

        Raises:
            SessionFenced: another writer has taken the session over.
        """
        ...

    async def find_session(self, room: str, session: str | None = None) -> SessionInfo | None:
        """The latest session of a room, or the one named; None when there is none."""
        ...

    async def items(self, session: str, after: int = 0, limit: int = 1000) -> list[Stored]:
        """Items with `seq > after`, in order of seq, at most `limit`."""
        ...

    async def segments(self, session: str, after: int = 0) -> list[tuple[int, Segment]]:
        """Final segments with `seq > after`, in order of start time (then of seq)."""
        ...

    async def windows(self, session: str) -> list[tuple[int, Window]]:
        """The highest revision of every window, in order of window_id."""
        ...

    async def gaps(self, session: str) -> list[tuple[int, Gap]]:
        """Gaps in order of start."""
        ...

    async def end_of(self, session: str) -> End | None:
        """The session's end, None while it runs."""
        ...

    async def aclose(self) -> None:
        """Release connections; safe to call twice."""
        ...
