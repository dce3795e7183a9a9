"""What a sink offers, and the outbox that stands before each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from agent.core.model import Item


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One item on its way to the readers."""

    item: Item
    seq: int | None
    """None for what is not stored: interims, finals that take them back, anything while the store is away."""


class Sink(Protocol):
    """Sends items somewhere, one after the other."""

    name: str
    """Shown in logs."""

    async def send(self, outgoing: Outgoing) -> None:
        """Send one item.

        Raises:
            SinkError: it could not be sent.
        """
        ...
