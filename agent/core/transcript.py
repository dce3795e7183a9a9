"""Segments as readers are to see them: one line an utterance, duplicates dropped, finals last."""

from __future__ import annotations

from agent.core.model import Segment


class Transcript:
    """What of a session's segments is new; remembers the ids of finals, not their text."""

    def __init__(self) -> None:
        self._interims: dict[str, Segment] = {}
        self._finals: set[str] = set()

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
        self._finals.add(segment.segment_id)
        return True

    @property
    def interims(self) -> tuple[Segment, ...]:
        """Lines that are still changing, in order of their start."""
        return tuple(sorted(self._interims.values(), key=lambda segment: (segment.start, segment.segment_id)))
