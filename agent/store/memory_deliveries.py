"""Deliveries in this process's memory: the same promises, for one process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Protocol

from agent.core.delivery import POSTED
from agent.core.model import Item
from agent.core.text import clean_text
from agent.store.deliveries import Delivery, ended_since
from agent.store.protocol import Stored


@dataclass(slots=True)
class Progress:
    """How far one session is delivered; moments of the monotonic clock, 0 is never."""

    after: int = 0
    failures: int = 0
    failing_at: float = 0.0
    due_at: float = 0.0
    holder: str = ""
    until: float = 0.0


class Deliverable(Protocol):
    """What is asked of a kept session."""

    room: str
    ended_at: str | None
    items: dict[int, Item]
    progress: Progress


class MemoryDeliveries:
    """See `agent.store.deliveries.Deliveries`; a store adds its sessions."""

    def _deliverable(self) -> Mapping[str, Deliverable]:
        """All sessions by their sid."""
        raise NotImplementedError

    async def claim_deliveries(self, courier: str, limit: int, hold_seconds: float) -> list[Delivery]:
        """See `Deliveries.claim_deliveries`."""
        now, since = monotonic(), ended_since()
        due = [
            (kept.progress.due_at, sid, kept)
            for sid, kept in self._deliverable().items()
            if (kept.ended_at is None or kept.ended_at >= since)
            and max(kept.progress.due_at, kept.progress.until) <= now
            and _next(kept, kept.progress.after) is not None
        ]
        claimed = []
        for _, sid, kept in sorted(due, key=lambda one: one[:2])[:limit]:
            one = kept.progress
            one.holder, one.until = courier, now + hold_seconds
            failing = now - one.failing_at if one.failures else 0.0
            claimed.append(Delivery(kept.room, sid, one.after, one.failures, failing))
        return claimed

    async def next_to_deliver(self, session: str, after: int) -> Stored | None:
        """See `Deliveries.next_to_deliver`."""
        kept = self._deliverable().get(clean_text(session))
        return None if kept is None else _next(kept, after)

    async def note_delivery(
        self, courier: str, delivery: Delivery, *, hold_seconds: float = 0.0, pause_seconds: float = 0.0
    ) -> bool:
        """See `Deliveries.note_delivery`."""
        kept = self._deliverable().get(clean_text(delivery.session))
        if kept is None or kept.progress.holder != courier:
            return False
        now, one = monotonic(), kept.progress
        one.after, one.failures = delivery.after, delivery.failures
        one.failing_at = (one.failing_at or now) if delivery.failures else 0.0
        one.due_at = now + pause_seconds
        one.until = now + hold_seconds if hold_seconds else 0.0
        return True

    async def release_deliveries(self, courier: str) -> None:
        """See `Deliveries.release_deliveries`."""
        for kept in self._deliverable().values():
            if kept.progress.holder == courier:
                kept.progress.until = 0.0


def _next(kept: Deliverable, after: int) -> Stored | None:
    found = [seq for seq, item in kept.items.items() if seq > after and isinstance(item, POSTED)]
    return Stored(min(found), kept.items[min(found)]) if found else None
