"""Which of LiveKit's events are news: it sends one again when our answer was late."""

from __future__ import annotations

from collections import OrderedDict

REMEMBERED = 1000
"""Events whose repetition is noticed."""


class Seen:
    """Ids of the last events."""

    def __init__(self) -> None:
        self._ids: OrderedDict[str, None] = OrderedDict()

    def is_new(self, event: str) -> bool:
        """True the first time; an event without an id is always new."""
        if not event:
            return True
        if event in self._ids:
            return False
        self._ids[event] = None
        if len(self._ids) > REMEMBERED:
            self._ids.popitem(last=False)
        return True
