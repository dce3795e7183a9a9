"""The list of sessions that are kept in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agent.core.model import Segment
from agent.core.search import Search
from agent.store.listing import MATCHES_TOLD, Listed, Match, Position, Wanted
from agent.store.protocol import SessionInfo


@dataclass(frozen=True, slots=True)
class Kept:
    """A session, and what was said in it."""

    started_unix_ms: int
    info: SessionInfo
    segments: Sequence[tuple[int, Segment]]

    @property
    def position(self) -> Position:
        return Position(self.started_unix_ms, self.info.session)


def list_kept(sessions: Sequence[Kept], wanted: Wanted) -> list[Listed]:
    """See `Listing.list_sessions`."""
    page: list[Listed] = []
    for one in sorted(sessions, key=lambda kept: kept.position, reverse=True):
        if not _passes(one, wanted):
            continue
        matches = _matches(one, wanted.search) if wanted.search else []
        if wanted.search is None or matches:
            page.append(Listed(one.position, one.info, len(matches), tuple(matches[:MATCHES_TOLD])))
        if len(page) == wanted.limit:
            break
    return page


def _passes(one: Kept, wanted: Wanted) -> bool:
    started, earliest, before = (
        one.started_unix_ms,
        wanted.started_from_unix_ms,
        wanted.started_before_unix_ms,
    )
    return (
        (wanted.before is None or one.position < wanted.before)
        and wanted.room in (None, one.info.room)
        and wanted.ended in (None, one.info.ended_at is not None)
        and (earliest is None or started >= earliest)
        and (before is None or started < before)
    )


def _matches(one: Kept, search: Search) -> list[Match]:
    said = sorted(one.segments, key=lambda pair: (pair[1].start, pair[0]))
    return [
        Match(seq, segment.start, segment.speaker.label, segment.text)
        for seq, segment in said
        if search.finds(segment.text)
    ]
