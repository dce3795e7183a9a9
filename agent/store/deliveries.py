"""What the store knows of outgoing webhooks: how far each session is delivered, and who delivers it now.

Nothing of an item is copied: a cursor walks over the record itself, so what is erased there is nowhere else.
A courier claims a session, reads its next item, posts it, and notes what came of it; a claim that is not
renewed runs out, and another courier goes on. All moments are by the database's own clock.
Contract suite: `tests/contract/test_stores_deliveries.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from agent.clock import timestamp

if TYPE_CHECKING:
    from agent.store.protocol import Stored

KEPT_SECONDS = 172_800.0
"""Of a session that ended longer ago nothing is delivered any more."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A session that has something to deliver."""

    room: str
    session: str
    """The room's sid."""
    after: int = 0
    """Everything up to this number is settled: delivered, refused, or given up."""
    failures: int = 0
    """Failed tries in a row."""
    failing_seconds: float = 0.0
    """How long ago the first of them was, when it was read; a store computes it by itself."""


class Deliveries(Protocol):
    """All calls raise `StoreError` when the database is away; each has a time limit."""

    async def claim_deliveries(self, courier: str, limit: int, hold_seconds: float) -> list[Delivery]:
        """Sessions with an item to deliver that is due, for this courier alone, and for so long.

        Those that nobody has looked after for longest come first.
        """
        ...

    async def next_to_deliver(self, session: str, after: int) -> Stored | None:
        """The first window, gap or end with a higher number; None when there is none (any more)."""
        ...

    async def note_delivery(
        self, courier: str, delivery: Delivery, *, hold_seconds: float = 0.0, pause_seconds: float = 0.0
    ) -> bool:
        """Keep where a claimed session is now; False when another courier has claimed it, or it is erased.

        The claim goes on for `hold_seconds`; 0 ends it, and the next one is due after `pause_seconds`.
        """
        ...

    async def release_deliveries(self, courier: str) -> None:
        """End all claims of this courier."""
        ...


def ended_since() -> str:
    """Sessions that ended before this date are over for couriers, too: ISO 8601, UTC."""
    return timestamp(datetime.now(UTC) - timedelta(seconds=KEPT_SECONDS))
