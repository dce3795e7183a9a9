"""Statements of supervision, for SQLite and PostgreSQL. Each runs inside its caller's transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import delete, func, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from agent.core.succession import Marks
from agent.core.supervision import Watched
from agent.store import queries, rows
from agent.store.database_clock import clock as _clock
from agent.store.database_clock import now as _now
from agent.store.protocol import Opened
from agent.store.supervision import (
    ABANDONED,
    FORGET_SECONDS,
    LEASE_SECONDS,
    PRESENT_SECONDS,
    Abandoned,
    Duty,
)
from agent.store.tables import calls, leases, sessions, workers

PAGE = 500
"""Sessions asked about in one statement."""


async def beat(db: AsyncConnection, session: str, epoch: int, marks: Marks | None) -> None:
    """The transcriber lives: one UPDATE, unless it is fenced."""
    values: dict[str, Any] = {"beat_unix_ms": _now(db)}
    if marks is not None:
        values["marks"] = rows.dump_marks(marks)
    await _update_held(db, session, epoch, values)


async def leave(db: AsyncConnection, session: str, epoch: int) -> None:
    """The transcriber wants a successor."""
    await _update_held(db, session, epoch, {"leaving_unix_ms": _now(db)})


async def release(db: AsyncConnection, session: str, epoch: int, marks: Marks) -> None:
    """The transcriber is gone, in order."""
    leaving = func.coalesce(sessions.c.leaving_unix_ms, _now(db))
    await _update_held(
        db,
        session,
        epoch,
        {"beat_unix_ms": None, "leaving_unix_ms": leaving, "marks": rows.dump_marks(marks)},
    )


async def _update_held(db: AsyncConnection, session: str, epoch: int, values: Mapping[str, Any]) -> None:
    held = await db.execute(
        update(sessions)
        .where(sessions.c.session == session, sessions.c.epoch == epoch, sessions.c.erased_at.is_(None))
        .values(values)
    )
    if not held.rowcount:
        await queries.hold(db, session, epoch)  # raises, and says why


async def open_session(db: AsyncConnection, room: str, session: str, started_at: str) -> Opened:
    """Take the session over, with what the predecessor left; from now on the new writer lives and stays."""
    opened = await queries.open_session(db, room, session, started_at)
    here = sessions.c.session == session
    left = (await db.execute(select(sessions.c.marks).where(here))).scalar_one()
    await db.execute(update(sessions).where(here).values(beat_unix_ms=_now(db), leaving_unix_ms=None))
    return replace(opened, marks=None if left is None else rows.load_marks(left))


async def announce(db: AsyncConnection, session: str) -> None:
    """A job is on its way."""
    await _note(db, session, "coming_unix_ms")


async def arrive(db: AsyncConnection, session: str) -> None:
    """A successor waits for its turn."""
    await _note(db, session, "arrived_unix_ms")


async def _note(db: AsyncConnection, session: str, column: str) -> None:
    moments = ", ".join(
        _clock(db) if name == column else "0"
        for name in ("called_unix_ms", "coming_unix_ms", "arrived_unix_ms")
    )
    await db.execute(
        text(
            "INSERT INTO calls (session, called_unix_ms, coming_unix_ms, arrived_unix_ms, calls)"
            f" VALUES (:session, {moments}, 0)"
            f" ON CONFLICT (session) DO UPDATE SET {column} = excluded.{column}"
        ),
        {"session": session},
    )


async def call(db: AsyncConnection, session: str, stamp: int, count: int) -> bool:
    """Claim a call, if nobody has called since `stamp`."""
    claimed = await db.execute(
        text(
            "INSERT INTO calls (session, called_unix_ms, coming_unix_ms, arrived_unix_ms, calls)"
            f" VALUES (:session, {_clock(db)}, 0, 0, :count)"
            " ON CONFLICT (session) DO UPDATE"
            " SET called_unix_ms = excluded.called_unix_ms, calls = excluded.calls"
            " WHERE calls.called_unix_ms = :stamp"
        ),
        {"session": session, "stamp": stamp, "count": count},
    )
    if not claimed.rowcount:
        return False
    old = _now(db) - round(FORGET_SECONDS * 1000)
    await db.execute(
        delete(calls).where(
            calls.c.called_unix_ms < old, calls.c.coming_unix_ms < old, calls.c.arrived_unix_ms < old
        )
    )
    return True


async def watched(db: AsyncConnection, wanted: Sequence[str]) -> dict[str, Watched]:
    """What is known of each session that is asked for."""
    lives: dict[str, Mapping[Any, Any]] = {}
    called: dict[str, Mapping[Any, Any]] = {}
    for first in range(0, len(wanted), PAGE):
        page = wanted[first : first + PAGE]
        beats = (sessions.c.beat_unix_ms, sessions.c.leaving_unix_ms)
        columns = (sessions.c.session, *beats, sessions.c.erased_at)
        for table, found in (
            (select(*columns).where(sessions.c.session.in_(page)), lives),
            (select(calls).where(calls.c.session.in_(page)), called),
        ):
            found |= {row["session"]: row for row in (await db.execute(table)).mappings()}
    now = (await db.execute(select(_now(db)))).scalar_one()
    return {one: watched_of(lives.get(one, {}), called.get(one, {}), now) for one in wanted}


def watched_of(life: Mapping[Any, Any], called: Mapping[Any, Any], now: int) -> Watched:
    """Moments of a session and of its calls -> ages at `now`, Unix milliseconds."""

    def age(moment: int | None) -> float | None:
        return max(now - moment, 0) / 1000 if moment else None

    return Watched(
        beat_age=age(life.get("beat_unix_ms")),
        leaving_age=age(life.get("leaving_unix_ms")),
        coming_age=age(called.get("coming_unix_ms")),
        arrived_age=age(called.get("arrived_unix_ms")),
        call_age=age(called.get("called_unix_ms")),
        calls=called.get("calls", 0),
        call_stamp=called.get("called_unix_ms", 0),
        erased=life.get("erased_at") is not None,
    )


async def abandoned(db: AsyncConnection, silent_seconds: float) -> list[Abandoned]:
    """Sessions without an end whose transcribers are silent."""
    silent_since = _now(db) - round(silent_seconds * 1000)
    found = await db.execute(
        select(
            sessions.c.room,
            sessions.c.session,
            sessions.c.started_at,
            func.coalesce(sessions.c.beat_unix_ms, 0).label("beat"),
            func.coalesce(sessions.c.leaving_unix_ms, 0).label("leaving"),
            _now(db).label("now"),
        )
        .where(
            sessions.c.ended_at.is_(None),
            func.coalesce(sessions.c.beat_unix_ms, 0) < silent_since,
            func.coalesce(sessions.c.leaving_unix_ms, 0) < silent_since,
        )
        .order_by(sessions.c.started_unix_ms.desc())
        .limit(ABANDONED)
    )
    sessions_left = []
    for row in found:
        seen = max(row.beat, row.leaving)
        silent = (row.now - seen) / 1000 if seen else None
        sessions_left.append(Abandoned(row.room, row.session, row.started_at, silent))
    return sessions_left


async def check_in(
    db: AsyncConnection, supervisor: str, agent_name: str, takes_jobs: bool, may_lead: bool
) -> Duty:
    """Be known, and lead if nobody else does."""
    await db.execute(
        text(
            "INSERT INTO workers (worker, agent_name, takes_jobs, seen_unix_ms)"
            f" VALUES (:worker, :agent_name, :takes_jobs, {_clock(db)})"
            " ON CONFLICT (worker) DO UPDATE SET takes_jobs = excluded.takes_jobs,"
            " seen_unix_ms = excluded.seen_unix_ms"
        ),
        {"worker": supervisor, "agent_name": agent_name, "takes_jobs": takes_jobs},
    )
    leads = may_lead and await take_lease(db, supervisor, agent_name, LEASE_SECONDS)
    return Duty(leads, await takers(db, agent_name))


async def take_lease(db: AsyncConnection, holder: str, name: str, seconds: float) -> bool:
    """Take a lease, or renew one's own; False while somebody else holds it."""
    led = await db.execute(
        text(
            "INSERT INTO leases (agent_name, holder, until_unix_ms)"
            f" VALUES (:agent_name, :holder, {_clock(db)} + :lease)"
            " ON CONFLICT (agent_name) DO UPDATE"
            " SET holder = excluded.holder, until_unix_ms = excluded.until_unix_ms"
            f" WHERE leases.holder = excluded.holder OR leases.until_unix_ms < {_clock(db)}"
        ),
        {"agent_name": name, "holder": holder, "lease": round(seconds * 1000)},
    )
    return bool(led.rowcount)


async def check_out(db: AsyncConnection, supervisor: str) -> None:
    """Be forgotten, and others that were not heard of for long."""
    old = _now(db) - round(FORGET_SECONDS * 1000)
    await db.execute(delete(workers).where(or_(workers.c.worker == supervisor, workers.c.seen_unix_ms < old)))
    await db.execute(delete(leases).where(leases.c.holder == supervisor))


async def takers(db: AsyncConnection, agent_name: str) -> int:
    """Workers of this name that take jobs."""
    found = await db.execute(
        select(func.count())
        .select_from(workers)
        .where(
            workers.c.agent_name == agent_name,
            workers.c.takes_jobs.is_(True),
            workers.c.seen_unix_ms > _now(db) - round(PRESENT_SECONDS * 1000),
        )
    )
    return int(found.scalar_one())
