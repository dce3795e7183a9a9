"""Statements that erase, for SQLite and PostgreSQL. Each runs inside its caller's transaction."""

from __future__ import annotations

from sqlalchemy import and_, delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from agent.clock import timestamp
from agent.store import supervision_queries
from agent.store.erasure import Expired, Tombstone
from agent.store.tables import metadata, sessions

LEASE = "\tretention"
"""Among the supervisors' leases, which are named after agents: no agent's name holds a tab."""


async def erase(db: AsyncConnection, room: str, session: str | None) -> Tombstone | None:
    """Make a tombstone of a session, and delete every other row that is kept of it.

    The first statement locks the session's row: a write under way is waited for, later ones are refused.
    """
    wanted = select(sessions.c.session).where(sessions.c.room == room)
    if session is not None:
        wanted = wanted.where(sessions.c.session == session)
    latest = wanted.order_by(sessions.c.started_unix_ms.desc(), sessions.c.session.desc()).limit(1)
    now = timestamp()
    found = await db.execute(
        update(sessions)
        .where(sessions.c.session == latest.scalar_subquery())
        .values(
            ended_at=func.coalesce(sessions.c.ended_at, now),
            erased_at=func.coalesce(sessions.c.erased_at, now),
            marks=None,
            beat_unix_ms=None,
            leaving_unix_ms=None,
        )
        .returning(
            sessions.c.room,
            sessions.c.session,
            sessions.c.started_at,
            sessions.c.ended_at,
            sessions.c.erased_at,
        )
    )
    row = found.one_or_none()
    if row is None:
        return None
    tombstone = Tombstone(*row)
    # whatever table comes to hold something of a session: it is erased by its column
    for table in reversed(metadata.sorted_tables):
        if table is not sessions and "session" in table.c:
            await db.execute(delete(table).where(table.c.session == tombstone.session))
    return tombstone


async def expired(db: AsyncConnection, before: str, limit: int) -> list[Expired]:
    """Sessions that are over, or silent, since before a date. ISO 8601 dates of ours sort as texts."""
    when = func.coalesce(sessions.c.ended_at, sessions.c.written_at)
    found = await db.execute(
        select(sessions.c.room, sessions.c.session)
        .where(
            sessions.c.erased_at.is_(None),
            or_(
                sessions.c.ended_at < before,
                and_(sessions.c.ended_at.is_(None), sessions.c.written_at < before),
            ),
        )
        .order_by(when, sessions.c.session)
        .limit(limit)
    )
    return [Expired(*row) for row in found]


async def may_erase_expired(db: AsyncConnection, holder: str, seconds: float) -> bool:
    """Take the lease of whoever erases what has expired."""
    return await supervision_queries.take_lease(db, holder, LEASE, seconds)
