"""What a session left, as the exports get it."""

from __future__ import annotations

from dataclasses import dataclass

from agent.core.model import Accounting, Gap, Segment, Status


@dataclass(frozen=True, slots=True)
class Record:
    """The record of one session, or what of it is new since some `seq`."""

    room: str
    session: str
    """The room's sid."""
    started_at: str
    """ISO 8601, UTC: the room's creation, second 0 of all times."""
    ended_at: str | None
    """ISO 8601, UTC; None while it runs."""
    last_seq: int
    state: Status | None
    """The last status of the whole room."""
    segments: tuple[tuple[int, Segment], ...] = ()
    """Final segments with their seq, in order of start."""
    gaps: tuple[tuple[int, Gap], ...] = ()
    """Gaps with their seq, in order of start."""
    accounting: tuple[Accounting, ...] = ()

    @property
    def entries(self) -> list[tuple[int, Segment | Gap]]:
        """Segments and gaps with their seq, in order of start; at the same start, segments first."""
        return sorted([*self.segments, *self.gaps], key=lambda entry: entry[1].start)
