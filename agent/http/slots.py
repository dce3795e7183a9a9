"""A bound on open streams: each holds a connection for as long as its reader likes."""

from __future__ import annotations

import logging
from collections import Counter
from math import ceil

from fastapi import HTTPException

log = logging.getLogger(__name__)

A_PARTICIPANT = 8
"""Streams of one participant at once: its pages, and those that a reload has not closed yet."""
A_KEY = 0.9
"""Share of all places that one key may hold, so that the others keep some."""
RETRY_AFTER = {"Retry-After": "5"}


class Slots:
    """Places for streams."""

    def __init__(self, places: int) -> None:
        self._places = places
        self._taken: Counter[str] = Counter()

    @property
    def taken(self) -> int:
        """How many streams are open."""
        return self._taken.total()

    def take(self, caller: str, *, participant: bool) -> None:
        """A place for a participant's stream, or for one of somebody who may read everything.

        Raises:
            HTTPException: 503 when none is left, 429 when this caller has enough.
        """
        if self.taken >= self._places:
            log.warning("no more streams are taken", extra={"action": "streams_full", "open": self._places})
            raise HTTPException(503, "Too many streams are open; try again later.", RETRY_AFTER)
        most = A_PARTICIPANT if participant else ceil(self._places * A_KEY)
        if self._taken[caller] >= most:
            who = "A participant" if participant else "A key"
            raise HTTPException(429, f"{who} may hold {most} streams open; close one.", RETRY_AFTER)
        self._taken[caller] += 1

    def give_back(self, caller: str) -> None:
        """The stream is over."""
        self._taken[caller] -= 1
        if not self._taken[caller]:
            del self._taken[caller]
