"""Which sessions a store has: newest first, in pages, filtered, and by what was said in them.

The index of the words is part of the record: whoever writes a segment writes its words in the same
transaction, and they go when the segment goes. Contract suite: `tests/contract/test_stores_listing.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from agent.core.search import Search

if TYPE_CHECKING:
    from agent.store.protocol import SessionInfo

MATCHES_TOLD = 3
"""Segments that are told of each session found: the first ones."""


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """Where a session is among all, by its start."""

    started_unix_ms: int
    """Milliseconds since 1970."""
    session: str
    """The room's sid: of those that started together the greatest comes first."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which sessions; None filters nothing."""

    limit: int
    """As many at the most, 1 or more."""
    before: Position | None = None
    """Only those behind this one in the list: those that are older."""
    room: str | None = None
    """The room's name, exactly."""
    ended: bool | None = None
    """True: only those that have ended. False: only those that run."""
    started_from_unix_ms: int | None = None
    """Started then or later."""
    started_before_unix_ms: int | None = None
    """Started earlier than that."""
    search: Search | None = None
    """Only those with a final segment that holds all of it."""


@dataclass(frozen=True, slots=True)
class Match:
    """A segment in which all was found that was searched for."""

    seq: int
    start: float
    """Seconds since the room was created."""
    speaker: str
    """Label."""
    text: str


@dataclass(frozen=True, slots=True)
class Listed:
    """One session of the list."""

    position: Position
    info: SessionInfo
    matched: int = 0
    """How many segments match; 0 when nothing was searched for."""
    matches: tuple[Match, ...] = ()
    """The first `MATCHES_TOLD` of them, by start (then by seq)."""


class Listing(Protocol):
    """What readers may ask, too. Raises `StoreError` when the database is away; has a time limit."""

    async def list_sessions(self, wanted: Wanted) -> list[Listed]:
        """Sessions by start, the newest first. A next page begins `before` the last position of this one.

        So a page does not shift when sessions come or go meanwhile.
        """
        ...
