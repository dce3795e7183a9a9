"""A bound on open streams: each holds a connection for as long as its reader likes."""

from __future__ import annotations

import logging
from collections import Counter

from fastapi import HTTPException

log = logging.getLogger(__name__)

A_PARTICIPANT = 8
"""Streams of one participant at once: its pages, and those that a reload has not closed yet."""
RETRY_AFTER = {"Retry-After": "5"}


class Slots:
    """Places for streams."""

    def __init__(self, places: int) -> None:
        self._places = places
        self._taken: Counter[str] = Counter()

    def take(self, client: str) -> None:
        """A place for a participant's stream, or (an empty name) one for somebody who may read everything.

        Raises:
            HTTPException: 503 when none is left, 429 when this participant has enough.
        """
        if self._taken.total() >= self._places:
            log.warning("no more streams are taken", extra={"action": "streams_full", "open": self._places})
            raise HTTPException(503, "Too many streams are open; try again later.", RETRY_AFTER)
        if client and self._taken[client] >= A_PARTICIPANT:
            raise HTTPException(
                429, f"A participant may hold {A_PARTICIPANT} streams open; close one.", RETRY_AFTER
            )
        self._taken[client] += 1

    def give_back(self, client: str) -> None:
        """The stream is over."""
        self._taken[client] -= 1
        if not self._taken[client]:
            del self._taken[client]
