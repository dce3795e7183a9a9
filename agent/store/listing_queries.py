"""The list of sessions, for SQLite and PostgreSQL. Runs inside its caller's transaction."""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter
from typing import Any

from sqlalchemy import CTE, ColumnElement, RowMapping, Select, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from agent.core.search import Search
from agent.store import search_queries
from agent.store.listing import Listed, Match, Position, Wanted
from agent.store.protocol import SessionInfo
from agent.store.state_queries import states_of, sums_of
from agent.store.tables import items, sessions

LATEST = 2
"""Pages of sessions that are looked through for a page of those in which something was said."""
NEWEST_FIRST = (sessions.c.started_unix_ms.desc(), sessions.c.session.desc())

Page = list[tuple[RowMapping, tuple[Match, ...]]]
"""Sessions with their first matches."""


async def list_sessions(db: AsyncConnection, wanted: Wanted) -> list[Listed]:
    """One page: its sessions, then what is told of each."""
    page: Page
    if wanted.search is None:
        page = [(row, ()) for row in (await db.execute(_newest(wanted))).mappings()]
    elif wanted.search.phrases:
        page = await _found(db, wanted, wanted.search)
    else:
        page = []
    sids = [row["session"] for row, _ in page]
    states, sums = await states_of(db, sids), await sums_of(db, sids)
    return [
        Listed(
            Position(row["started_unix_ms"], row["session"]),
            SessionInfo(
                room=row["room"],
                session=row["session"],
                started_at=row["started_at"],
                ended_at=row["ended_at"],
                last_seq=row["last_seq"],
                state=states.get(row["session"]),
                accounting=sums[row["session"]],
                written_at=row["written_at"],
                erased_at=row["erased_at"],
            ),
            row.get("matched", 0),
            matches,
        )
        for row, matches in page
    ]


async def _found(db: AsyncConnection, wanted: Wanted, search: Search) -> Page:
    """What is said often fills a page from the newest sessions: all are asked only when it does not."""
    several = LATEST * wanted.limit
    newest = select(sessions.c.session).where(*_filters(wanted)).order_by(*NEWEST_FIRST).limit(several)
    latest = (await db.execute(newest)).scalars().all()
    page = await _matching(db, wanted, await search_queries.hits_among(db, search, latest))
    if len(page) == wanted.limit or len(latest) < several:
        return page
    return await _matching(db, wanted, search_queries.hits(db, search))


async def _matching(db: AsyncConnection, wanted: Wanted, hits: CTE) -> Page:
    """The newest sessions of those that have hits; all in one statement, so that hits are looked up once."""
    found = select(hits.c.session, func.count().label("matched")).group_by(hits.c.session).cte("found")
    page = _newest(wanted, found.c.matched).join(found, found.c.session == sessions.c.session).cte("page")
    rows = (await db.execute(search_queries.first_matches(hits, page))).mappings()
    return [
        (matches[0], tuple(search_queries.match_of(one) for one in matches))
        for matches in (list(of_it) for _, of_it in groupby(rows, key=itemgetter("session")))
    ]


def _newest(wanted: Wanted, *columns: ColumnElement[Any]) -> Select[Any]:
    last = select(func.coalesce(func.max(items.c.seq), 0)).where(items.c.session == sessions.c.session)
    page = select(sessions, last.scalar_subquery().label("last_seq"), *columns)
    return page.where(*_filters(wanted)).order_by(*NEWEST_FIRST).limit(wanted.limit)


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
