"""PostgreSQL plans by samples of what its tables hold: none outlives the session that it was taken from."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from sqlalchemy import text

from agent.core.model import Accounting, End, Gap, Item, Reason, Speaker, State, Status, Turn, Window
from agent.core.succession import Mark, Marks
from agent.settings import Settings
from agent.store import migrations
from agent.store.migrations.versions.r0007_no_samples import SPOKEN
from agent.store.protocol import Stored
from agent.store.retention import Retention
from agent.store.sql import SqlStore
from agent.store.tables import metadata
from tests.contract.record import STARTED, segment

CASSANDRA = Speaker("secret-identity", "Secret of Troy", "secret-role", "secret-label")
SIDS = ("RM_1", "RM_2")
"""The same is said in both: what is there twice is kept as frequent, what is not as typical."""
SAMPLED = {(table, column) for table, columns in SPOKEN.items() for column in columns}

SAMPLED_STILL = {
    *(
        "session",
        "room",
        "track_sid",
        "segment_id",
        "origin",
        "type",
        "source",
        "language",
        "state",
        "reason",
    ),
    *("started_at", "ended_at", "written_at", "erased_at", "agent_name", "worker", "holder", "oldest"),
}
"""Texts by which rows are looked up, kinds and dates: no speech, and nobody's name."""


def record() -> list[Item]:
    """Everything that an item can hold, short enough to be sampled: PostgreSQL keeps no text above 1 kB."""
    turn = Turn(CASSANDRA, 1.0, 2.0, "secret turn")
    return [
        *(segment(f"plain secret secret{number}", float(number), CASSANDRA) for number in range(9)),
        Window(0, 1, 0.0, 20.0, True, ("secret-label",), (turn,), 80, 2),
        Gap(CASSANDRA, "TR_1", 1.0, 2.0, Reason.RATE_LIMITED),
        Status(State.DEGRADED, Reason.RATE_LIMITED, CASSANDRA, "secret detail"),
        End(1, 2, 3, 4, STARTED, STARTED, (Accounting(CASSANDRA, 9.0),)),
    ]


async def fill(store: SqlStore) -> None:
    """Two sessions that are over, with all that is kept of one, and the database has looked at them."""
    for session in SIDS:
        epoch = (await store.open_session("room", session, STARTED)).epoch
        await store.write(session, epoch, [Stored(seq, item) for seq, item in enumerate(record(), 1)])
        await store.save_speakers(session, epoch, [CASSANDRA])
        await store.save_accounting(session, epoch, [Accounting(CASSANDRA, 1.0)])
        await store.beat(session, epoch, Marks(1.0, (Mark(CASSANDRA, "secret mark", 1.0),)))
    await run(store, "ANALYZE")


async def run(store: SqlStore, statement: str) -> set[tuple[str, ...]]:
    """The rows that it answers with, if any."""
    async with store.database.engine.begin() as connection:
        done = await connection.execute(text(statement))
        return {tuple(row) for row in done} if done.returns_rows else set()


async def sampled(store: SqlStore) -> set[tuple[str, ...]]:
    """Table and column of every sample of what was said, or of who said it."""
    return await run(
        store, "SELECT tablename, attname FROM pg_stats AS kept WHERE kept::text ILIKE '%secret%'"
    )


async def files(store: SqlStore) -> set[tuple[str, ...]]:
    """The file of each table and index; one that is written anew gets another."""
    return await run(store, "SELECT relname, relfilenode FROM pg_class WHERE relkind IN ('r', 'i', 't')")


@pytest_asyncio.fixture
async def store(postgres_url: str) -> AsyncIterator[SqlStore]:
    """A store on PostgreSQL, with its tables."""
    opened = SqlStore(postgres_url)
    try:
        await opened.migrate()
        yield opened
    finally:
        await opened.aclose()


async def test_an_erased_session_leaves_no_sample(store: SqlStore) -> None:
    """Whether another session is left or none, and without another look of the database."""
    await fill(store)
    assert ("sessions", "room") in await run(store, "SELECT tablename, attname FROM pg_stats")
    for session in SIDS:
        assert await store.erase("room", session)
        assert await sampled(store) == set()


async def test_nor_does_one_that_expired(store: SqlStore, tmp_path: Path) -> None:
    """What RETENTION_DAYS erases is erased in the same way."""
    await fill(store)
    settings = Settings.from_env({"RETENTION_DAYS": "1", "SPOOL_DIRECTORY": f"{tmp_path}"})
    await run(store, "UPDATE sessions SET ended_at = '2020-01-01T00:00:00.000Z'")
    assert not await Retention(store, settings)._look()
    assert await store.expired("2021-01-01", 9) == []
    assert await sampled(store) == set()


async def test_samples_of_before_go_with_the_step(store: SqlStore) -> None:
    """Without it all is sampled and outlives the erasing; the step removes it and writes no table anew."""
    await fill(store)
    await migrations.downgrade(store.database.engine, "0006")
    await run(store, "ANALYZE")
    assert await sampled(store) == SAMPLED
    for session in SIDS:
        await store.erase("room", session)
    await run(store, "ANALYZE")
    left = await sampled(store)
    assert left == SAMPLED - {("sessions", "marks")}, "of a table that has become empty nothing is forgotten"
    before = await files(store)
    await migrations.upgrade(store.database.engine)
    assert await sampled(store) == set()
    assert before <= await files(store)


async def test_every_text_is_said_to_be_sampled_or_not(store: SqlStore) -> None:
    """A new column that holds speech or a name has `SET STATISTICS 0`; any other is added here."""
    ours = {(table.name, column.name) for table in metadata.sorted_tables for column in table.columns}
    texts = await run(
        store,
        "SELECT relname, attname FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid"
        " WHERE relkind = 'r' AND atttypid IN ('text'::regtype, 'tsvector'::regtype)"
        " AND attstattarget IS DISTINCT FROM 0",
    )
    assert {column for table, column in texts & ours} <= SAMPLED_STILL
