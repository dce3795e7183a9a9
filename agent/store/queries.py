"""Statements on the tables, the same for SQLite and PostgreSQL. Each runs inside its caller's transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Table, and_, delete, func, insert, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from agent.clock import timestamp
from agent.core.model import Accounting, End, Gap, Item, Segment, Speaker, Status, Window
from agent.errors import SessionErased, SessionFenced, StoreError
from agent.store import rows, search_queries
from agent.store.dates import unix_ms
from agent.store.numbers import Numbers, may_come_late, resumes
from agent.store.protocol import Imported, Opened, Origin, RoomLife, SessionInfo, Stored
from agent.store.state_queries import states_of, sums_of
from agent.store.tables import accounting, ends, gaps, items, segments, sessions, speakers, states, windows

_DETAILS: dict[type[Item], tuple[str, Table, Any]] = {
    Segment: ("segment", segments, rows.segment_of),
    Window: ("window", windows, rows.window_of),
    Gap: ("gap", gaps, rows.gap_of),
    Status: ("status", states, rows.status_of),
    End: ("end", ends, rows.end_of),
}
"""Type of item -> its name in `items`, the table of its detail, the reader of that table's rows."""

_TAKE_OVER = text(
    "INSERT INTO sessions (session, room, started_at, started_unix_ms, ended_at, epoch, written_at)"
    " VALUES (:session, :room, :started_at, :started_unix_ms, NULL, 1, :written_at)"
    " ON CONFLICT (session) DO UPDATE"
    " SET epoch = sessions.epoch + 1, ended_at = NULL, written_at = excluded.written_at"
    " WHERE sessions.erased_at IS NULL"
)


_MAKE_SURE = text(
    "INSERT INTO sessions (session, room, started_at, started_unix_ms, ended_at, epoch, written_at)"
    " VALUES (:session, :room, :started_at, :started_unix_ms, NULL, 0, :written_at)"
    " ON CONFLICT (session) DO UPDATE SET epoch = sessions.epoch"
)
"""Locks the session's row for the rest of the transaction; makes it, held by nobody, when there is none."""


async def open_session(db: AsyncConnection, room: str, session: str, started_at: str) -> Opened:
    """Raise the epoch, which waits for a write under way, then read where to go on."""
    taken = await db.execute(
        _TAKE_OVER,
        {
            "session": session,
            "room": room,
            "started_at": started_at,
            "started_unix_ms": unix_ms(started_at),
            "written_at": timestamp(),
        },
    )
    if not taken.rowcount:
        raise _erased(session)
    epoch = (await db.execute(select(sessions.c.epoch).where(sessions.c.session == session))).scalar_one()
    revisions = await db.execute(
        select(windows.c.window_id, func.max(windows.c.revision).label("revision"))
        .where(windows.c.session == session)
        .group_by(windows.c.window_id)
    )
    said = await db.execute(
        select(func.count(), func.coalesce(func.sum(segments.c.word_count), 0)).where(
            segments.c.session == session
        )
    )
    segment_count, word_count = said.one()
    lost = await db.execute(select(func.count()).select_from(gaps).where(gaps.c.session == session))
    named = await db.execute(
        select(speakers).where(speakers.c.session == session).order_by(speakers.c.position)
    )
    return Opened(
        epoch=epoch,
        last_seq=(await db.execute(select(_last_seq(session)))).scalar_one(),
        speakers=tuple(rows.speaker_of(row) for row in named.mappings()),
        last_windows={one.window_id: one.revision for one in revisions},
        accounting=(await sums_of(db, [session]))[session],
        segments=segment_count,
        words=int(word_count),
        gaps=lost.scalar_one(),
    )


async def hold(db: AsyncConnection, session: str, epoch: int) -> None:
    """Lock the session for this transaction, if it is still the writer's.

    The first statement of every write: it takes the row's lock on PostgreSQL, the database's on SQLite,
    so nobody can take the session over between the check and the commit.

    Raises:
        SessionFenced: another writer has taken the session over.
        SessionErased: nothing more of it is kept.
        StoreError: the session was never opened.
    """
    held = await db.execute(
        update(sessions)
        .where(sessions.c.session == session, sessions.c.epoch == epoch, sessions.c.erased_at.is_(None))
        .values(written_at=timestamp())
    )
    if held.rowcount:
        return
    found = await db.execute(
        select(sessions.c.epoch, sessions.c.erased_at).where(sessions.c.session == session)
    )
    holder = found.one_or_none()
    if holder is None:
        raise StoreError(f"session {session!r} was never opened; call open_session first")
    if holder.erased_at is not None:
        raise _erased(session)
    raise SessionFenced(f"session {session!r} is held by epoch {holder.epoch}, not {epoch}")


def _erased(session: str) -> SessionErased:
    return SessionErased(f"session {session!r} was erased; nothing more of it is kept")


async def write(db: AsyncConnection, session: str, epoch: int, batch: Sequence[Stored]) -> list[int]:
    """Insert the items that are not there yet; their numbers."""
    await hold(db, session, epoch)
    return await _insert(db, session, batch, writer=f"{epoch}") if batch else []


async def import_items(db: AsyncConnection, origin: Origin, batch: Sequence[Stored]) -> Imported:
    """Insert what may still come from `origin`; see `Writer.import_items`."""
    await db.execute(
        _MAKE_SURE,
        {
            "session": origin.session,
            "room": origin.room,
            "started_at": origin.started_at,
            "started_unix_ms": unix_ms(origin.started_at),
            "written_at": timestamp(),
        },
    )
    found = await db.execute(
        select(sessions.c.epoch, sessions.c.ended_at, sessions.c.erased_at).where(
            sessions.c.session == origin.session
        )
    )
    row = found.one()
    if row.erased_at is not None:
        return Imported(current=False, ended=True, seqs=(None,) * len(batch), erased=True)
    current, ended = row.epoch == origin.epoch, row.ended_at is not None
    taken = [stored for stored in batch if may_come_late(stored.item, current=current, ended=ended)]
    seqs: dict[int, int] = {}
    if taken:
        given = await _insert(
            db,
            origin.session,
            taken,
            writer=origin.writer or f"{origin.epoch}",
            as_asked=current and not origin.writer,
            rising=True,
        )
        seqs = {id(stored): seq for stored, seq in zip(taken, given, strict=True)}
    return Imported(current, ended, tuple(seqs.get(id(stored)) for stored in batch))


async def _insert(
    db: AsyncConnection,
    session: str,
    batch: Sequence[Stored],
    *,
    writer: str,
    as_asked: bool = True,
    rising: bool = False,
) -> list[int]:
    """Insert the items whose origin is new; the number of each. The session's row must be locked."""
    seqs = [stored.seq for stored in batch]
    origins = [f"{writer}:{seq}" for seq in seqs]
    known = await db.execute(
        select(items.c.origin, items.c.seq).where(items.c.session == session, items.c.origin.in_(origins))
    )
    near = await db.execute(
        select(items.c.seq).where(items.c.session == session, items.c.seq.between(min(seqs), max(seqs)))
    )
    last = (await db.execute(select(_last_seq(session)))).scalar_one()
    numbers = Numbers({row.origin: row.seq for row in known}, set(near.scalars()), last)
    rows_of_items: list[dict[str, Any]] = []
    details: defaultdict[type[Item], list[dict[str, Any]]] = defaultdict(list)
    given: list[int] = []
    for stored, origin in zip(batch, origins, strict=True):
        seq, new = numbers.give(origin, stored.seq if as_asked else None, rising=rising)
        given.append(seq)
        if not new:
            continue
        key = {"session": session, "seq": seq}
        rows_of_items.append({**key, "type": _DETAILS[type(stored.item)][0], "origin": origin})
        details[type(stored.item)].append({**key, **rows.row_of(stored.item)})
        if isinstance(stored.item, End):
            await _close(db, session, stored.item)
        elif resumes(stored.item):
            await db.execute(update(sessions).where(sessions.c.session == session).values(ended_at=None))
    if rows_of_items:
        await db.execute(insert(items), rows_of_items)
    for kind, values in details.items():
        await db.execute(insert(_DETAILS[kind][1]), values)
    if Segment in details:
        await search_queries.add_words(db, details[Segment])
    return given


async def _close(db: AsyncConnection, session: str, end: End) -> None:
    await db.execute(update(sessions).where(sessions.c.session == session).values(ended_at=end.ended_at))
    await replace_rows(db, accounting, session, [rows.accounting_columns(sums) for sums in end.accounting])


async def save_speakers(db: AsyncConnection, session: str, epoch: int, named: Sequence[Speaker]) -> None:
    """Replace the labels."""
    await hold(db, session, epoch)
    await replace_rows(db, speakers, session, [rows.speaker_columns(speaker) for speaker in named])


async def save_accounting(db: AsyncConnection, session: str, epoch: int, sums: Sequence[Accounting]) -> None:
    """Replace the running sums."""
    await hold(db, session, epoch)
    await replace_rows(db, accounting, session, [rows.accounting_columns(one) for one in sums])


async def replace_rows(
    db: AsyncConnection, table: Table, session: str, values: Sequence[dict[str, Any]]
) -> None:
    """Put `values` in the place of all rows of a session."""
    await db.execute(delete(table).where(table.c.session == session))
    if values:
        await db.execute(
            insert(table),
            [{"session": session, "position": position, **row} for position, row in enumerate(values)],
        )


async def find_session(db: AsyncConnection, room: str, session: str | None) -> SessionInfo | None:
    """The latest session of a room, or the one named."""
    wanted = select(sessions).where(sessions.c.room == room)
    if session is not None:
        wanted = wanted.where(sessions.c.session == session)
    latest = wanted.order_by(sessions.c.started_unix_ms.desc(), sessions.c.session.desc()).limit(1)
    row = (await db.execute(latest)).mappings().one_or_none()
    if row is None:
        return None
    sid = row["session"]
    return SessionInfo(
        room=row["room"],
        session=sid,
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        last_seq=(await db.execute(select(_last_seq(sid)))).scalar_one(),
        state=(await states_of(db, [sid])).get(sid),
        accounting=(await sums_of(db, [sid]))[sid],
        written_at=row["written_at"],
        erased_at=row["erased_at"],
    )


async def lives(db: AsyncConnection, room: str, since: str | None) -> list[RoomLife]:
    """Sessions of a room from `since` on, or the latest; one statement, for it is asked again and again."""
    last = select(func.coalesce(func.max(items.c.seq), 0)).where(items.c.session == sessions.c.session)
    when, sid = sessions.c.started_unix_ms, sessions.c.session
    dates = (sessions.c.started_at, sessions.c.ended_at)
    columns = (sid, *dates, last.scalar_subquery().label("last_seq"), sessions.c.erased_at)
    wanted = select(*columns).where(sessions.c.room == room)
    if since is None:
        wanted = wanted.order_by(when.desc(), sid.desc()).limit(1)
    else:
        first = sessions.alias("first")
        later = or_(when > first.c.started_unix_ms, and_(when == first.c.started_unix_ms, sid >= since))
        wanted = wanted.join(first, and_(first.c.session == since, first.c.room == room, later))
        wanted = wanted.order_by(when, sid)
    return [RoomLife(*row) for row in await db.execute(wanted)]


async def read_items(db: AsyncConnection, session: str, after: int, limit: int) -> list[Stored]:
    """One page of items, of all types that this program knows: a newer one may have written others."""
    known = [name for name, _, _ in _DETAILS.values()]
    page = await db.execute(
        select(items.c.seq, items.c.type)
        .where(items.c.session == session, items.c.seq > after, items.c.type.in_(known))
        .order_by(items.c.seq)
        .limit(limit)
    )
    numbers = page.all()
    found: dict[int, Item] = {}
    for name, table, read in _DETAILS.values():
        seqs = [number.seq for number in numbers if number.type == name]
        if seqs:
            detail = await db.execute(
                select(table).where(table.c.session == session, table.c.seq.between(seqs[0], seqs[-1]))
            )
            found |= {row["seq"]: read(row) for row in detail.mappings()}
    return [Stored(number.seq, found[number.seq]) for number in numbers]


async def read_segments(db: AsyncConnection, session: str, after: int) -> list[tuple[int, Segment]]:
    """Segments in order of start."""
    found = await db.execute(
        select(segments)
        .where(segments.c.session == session, segments.c.seq > after)
        .order_by(segments.c.start_seconds, segments.c.seq)
    )
    return [(row["seq"], rows.segment_of(row)) for row in found.mappings()]


async def read_windows(db: AsyncConnection, session: str) -> list[tuple[int, Window]]:
    """The last revision of every window."""
    found = await db.execute(
        select(windows)
        .where(windows.c.session == session)
        .order_by(windows.c.window_id, windows.c.revision, windows.c.seq)
    )
    last = {row["window_id"]: row for row in found.mappings()}
    return [(row["seq"], rows.window_of(row)) for row in last.values()]


async def read_gaps(db: AsyncConnection, session: str) -> list[tuple[int, Gap]]:
    """Gaps in order of start."""
    found = await db.execute(
        select(gaps).where(gaps.c.session == session).order_by(gaps.c.start_seconds, gaps.c.seq)
    )
    return [(row["seq"], rows.gap_of(row)) for row in found.mappings()]


async def read_statuses(db: AsyncConnection, session: str) -> list[tuple[int, Status]]:
    """Statuses in order of seq."""
    found = await db.execute(select(states).where(states.c.session == session).order_by(states.c.seq))
    return [(row["seq"], rows.status_of(row)) for row in found.mappings()]


async def read_end(db: AsyncConnection, session: str) -> End | None:
    """The last end of a session that does not run."""
    found = await db.execute(
        select(ends)
        .join(sessions, sessions.c.session == ends.c.session)
        .where(ends.c.session == session, sessions.c.ended_at.is_not(None))
        .order_by(ends.c.seq.desc())
        .limit(1)
    )
    row = found.mappings().one_or_none()
    return rows.end_of(row) if row else None


def _last_seq(session: str) -> ColumnElement[int]:
    return select(func.coalesce(func.max(items.c.seq), 0)).where(items.c.session == session).scalar_subquery()
