"""Statements of outgoing webhooks, for SQLite and PostgreSQL. Each runs inside its caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import case, func, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from agent.store import queries
from agent.store.database_clock import clock, now
from agent.store.deliveries import Delivery, ended_since
from agent.store.protocol import Stored
from agent.store.tables import deliveries, items, sessions

TYPES = ("window", "gap", "end")
"""What couriers deliver, by its name in `items`."""


async def due(db: AsyncConnection, limit: int) -> list[str]:
    """Sessions that could be claimed now; only reads, so it is in nobody's way."""
    row = deliveries.c
    waiting = (
        select(items.c.seq)
        .where(
            items.c.session == sessions.c.session,
            items.c.seq > func.coalesce(row.after_seq, 0),
            items.c.type.in_(TYPES),
        )
        .correlate(sessions, deliveries)
    )
    found = await db.execute(
        select(sessions.c.session)
        .outerjoin(deliveries, row.session == sessions.c.session)
        .where(
            or_(sessions.c.ended_at.is_(None), sessions.c.ended_at >= ended_since()),
            func.coalesce(row.due_unix_ms, 0) <= now(db),
            func.coalesce(row.until_unix_ms, 0) <= now(db),
            waiting.exists(),
        )
        .order_by(func.coalesce(row.due_unix_ms, 0), sessions.c.started_unix_ms)
        .limit(limit)
    )
    return list(found.scalars())


async def claim(
    db: AsyncConnection, wanted: Sequence[str], courier: str, hold_seconds: float
) -> list[Delivery]:
    """Those of the wanted that nobody else was quicker to take. The first statement takes SQLite's lock."""
    statement = text(
        "INSERT INTO deliveries"
        " (session, after_seq, failures, failing_unix_ms, due_unix_ms, holder, until_unix_ms)"
        f" SELECT session, 0, 0, 0, 0, :holder, {clock(db)} + :hold FROM sessions WHERE session = :session"
        " ON CONFLICT (session) DO UPDATE"
        " SET holder = excluded.holder, until_unix_ms = excluded.until_unix_ms"
        f" WHERE deliveries.until_unix_ms <= {clock(db)} AND deliveries.due_unix_ms <= {clock(db)}"
    )
    taken = []
    for session in sorted(wanted):  # in one order, so that two couriers do not wait for each other
        values = {"holder": courier, "hold": round(hold_seconds * 1000), "session": session}
        if (await db.execute(statement, values)).rowcount:
            taken.append(session)
    row = deliveries.c
    found = await db.execute(
        select(sessions.c.room, row.session, row.after_seq, row.failures, row.failing_unix_ms, now(db))
        .join(sessions, sessions.c.session == row.session)
        .where(row.session.in_(taken))
        .order_by(row.due_unix_ms)
    )
    return [
        Delivery(room, session, after, failures, (moment - since) / 1000 if since else 0.0)
        for room, session, after, failures, since, moment in found
    ]


async def next_to_deliver(db: AsyncConnection, session: str, after: int) -> Stored | None:
    """The first item of the kinds that are delivered."""
    found = await db.execute(
        select(func.min(items.c.seq)).where(
            items.c.session == session, items.c.seq > after, items.c.type.in_(TYPES)
        )
    )
    seq = found.scalar_one()
    return None if seq is None else (await queries.read_items(db, session, seq - 1, 1))[0]


async def note(
    db: AsyncConnection, courier: str, delivery: Delivery, hold_seconds: float, pause_seconds: float
) -> bool:
    """Where a claimed session is now."""
    row = deliveries.c
    moment = now(db)
    since = case((row.failing_unix_ms == 0, moment), else_=row.failing_unix_ms)
    noted = await db.execute(
        update(deliveries)
        .where(row.session == delivery.session, row.holder == courier)
        .values(
            after_seq=delivery.after,
            failures=delivery.failures,
            failing_unix_ms=since if delivery.failures else 0,
            due_unix_ms=moment + round(pause_seconds * 1000),
            until_unix_ms=moment + round(hold_seconds * 1000) if hold_seconds else 0,
        )
    )
    return bool(noted.rowcount)


async def release(db: AsyncConnection, courier: str) -> None:
    """End all claims of a courier."""
    row = deliveries.c
    await db.execute(
        update(deliveries).where(row.holder == courier, row.until_unix_ms > 0).values(until_unix_ms=0)
    )
