"""The list of sessions, for SQLite and PostgreSQL. Runs inside its caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, literal, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from agent.core.model import Status
from agent.store import rows, search_queries
from agent.store.listing import Listed, Position, Wanted
from agent.store.protocol import SessionInfo
from agent.store.tables import items, sessions, states


async def list_sessions(db: AsyncConnection, wanted: Wanted) -> list[Listed]:
    """One page: its sessions, then what is told of each."""
    if wanted.search is not None and not wanted.search.phrases:
        return []
    page = (await db.execute(_page(db, wanted))).mappings().all()
    sids = [row["session"] for row in page]
    told = await _states(db, sids)
    matches = await search_queries.first_matches(db, wanted.search, sids) if wanted.search and sids else {}
    return [
        Listed(
            Position(row["started_unix_ms"], row["session"]),
            SessionInfo(
                room=row["room"],
                session=row["session"],
                started_at=row["started_at"],
                ended_at=row["ended_at"],
                last_seq=row["last_seq"],
                state=told.get(row["session"]),
                written_at=row["written_at"],
                erased_at=row["erased_at"],
            ),
            row["matched"],
            matches.get(row["session"], ()),
        )
        for row in page
    ]


def _page(db: AsyncConnection, wanted: Wanted) -> Select[Any]:
    last = select(func.coalesce(func.max(items.c.seq), 0)).where(items.c.session == sessions.c.session)
    columns = (sessions, last.scalar_subquery().label("last_seq"))
    page: Select[Any]
    if wanted.search is None:
        page = select(*columns, literal(0).label("matched"))
    else:
        hits = search_queries.hits(db, wanted.search)
        found = select(hits.c.session, func.count().label("matched")).group_by(hits.c.session).cte("found")
        page = select(*columns, found.c.matched).join(found, found.c.session == sessions.c.session)
    newest_first = (sessions.c.started_unix_ms.desc(), sessions.c.session.desc())
    return page.where(*_filters(wanted)).order_by(*newest_first).limit(wanted.limit)


def _filters(wanted: Wanted) -> list[ColumnElement[bool]]:
    when, ended_at = sessions.c.started_unix_ms, sessions.c.ended_at
    filters: list[ColumnElement[bool]] = []
    if (last := wanted.before) is not None:
        # the first part alone lets an index begin there
        filters.append(when <= last.started_unix_ms)
        filters.append(or_(when < last.started_unix_ms, and_(sessions.c.session < last.session)))
    if wanted.room is not None:
        filters.append(sessions.c.room == wanted.room)
    if wanted.ended is not None:
        filters.append(ended_at.is_not(None) if wanted.ended else ended_at.is_(None))
    if wanted.started_from_unix_ms is not None:
        filters.append(when >= wanted.started_from_unix_ms)
    if wanted.started_before_unix_ms is not None:
        filters.append(when < wanted.started_before_unix_ms)
    return filters


async def _states(db: AsyncConnection, sids: Sequence[str]) -> dict[str, Status]:
    """The last word of each transcriber about the whole room."""
    last = (
        select(states.c.session, func.max(states.c.seq).label("seq"))
        .where(states.c.session.in_(sids), states.c.speaker_identity.is_(None))
        .group_by(states.c.session)
        .subquery()
    )
    found = await db.execute(
        select(states).join(last, and_(last.c.session == states.c.session, last.c.seq == states.c.seq))
    )
    return {row["session"]: rows.status_of(row) for row in found.mappings()}
