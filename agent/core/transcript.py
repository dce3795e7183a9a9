"""Segments as readers are to see them: one line an utterance, duplicates dropped, finals last."""

from __future__ import annotations

from collections import deque

from agent.core.model import Segment

REMEMBERED = 4000
"""Finals that are known as such: those of an hour of quick talk. A double comes within seconds."""


class Transcript:
    """What of a session's segments is new; remembers the newest ids of finals, not their text."""

    def __init__(self) -> None:
        self._interims: dict[str, Segment] = {}
        self._finals: set[str] = set()
        self._order: deque[str] = deque()

    def apply(self, segment: Segment) -> bool:
        """Take a segment in; True when it tells a reader something new.

        A final takes the place of its interims and is never changed by what comes after it.
        """
        known = self._interims.get(segment.segment_id)
        if segment.segment_id in self._finals or (known and segment.revision <= known.revision):
            return False
        if not segment.final:
            self._interims[segment.segment_id] = segment
            return True
        self._interims.pop(segment.segment_id, None)
        self._remember(segment.segment_id)
        return True

    def _remember(self, segment_id: str) -> None:
        self._finals.add(segment_id)
        self._order.append(segment_id)
        if len(self._order) > REMEMBERED:
            self._finals.discard(self._order.popleft())

    @property
    def interims(self) -> tuple[Segment, ...]:
        """Lines that are still changing, in order of their start."""
        return tuple(sorted(self._interims.values(), key=lambda segment: (segment.start, segment.segment_id)))
