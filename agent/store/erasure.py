"""What the store promises about erasing: nothing of a session is left but that there was one.

Erasing a session deletes every row that is kept of it and leaves a tombstone. A session that still runs is
over by it: its writer, and whoever comes with a spool later, is refused (`SessionErased`, `Imported.erased`).
Contract suite: `tests/contract/test_stores_erasure.py`; for people: docs/privacy.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Tombstone:
    """All that is left of an erased session. Dates are ISO 8601, UTC."""

    room: str
    session: str
    """The room's sid."""
    started_at: str
    ended_at: str
    """That of the erasure when the session still ran then."""
    erased_at: str
    """When it was erased first."""


@dataclass(frozen=True, slots=True)
class Expired:
    """A session that has been over for too long."""

    room: str
    session: str
    """The room's sid."""


class Erasing(Protocol):
    """All calls raise `StoreError` when the database is away; each has a time limit."""

    async def erase(self, room: str, session: str | None = None) -> Tombstone | None:
        """Erase the latest session of a room (by `started_at`), or the one named; None when there is none.

        When it returns, the database's own files hold nothing of it either, as far as the database can do
        that (docs/privacy.md). Erasing again is harmless, and finishes what a `StoreError` has cut short.
        """
        ...

    async def expired(self, before: str, limit: int) -> list[Expired]:
        """At most `limit` sessions, not erased yet, that ended before a date (ISO 8601, UTC), oldest first;
        those that nobody has ended count by when they were last written to.
        """
        ...

    async def may_erase_expired(self, holder: str, seconds: float) -> bool:
        """True for one holder at a time: it is the one for so many seconds, or until it asks again."""
        ...
