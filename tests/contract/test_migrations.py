"""The steps of the database: forward to the tables that the code uses, and back, with rows in them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import func, inspect, select, text

from agent.core.search import parse_search
from agent.core.succession import Mark, Marks
from agent.store import migrations
from agent.store.listing import Wanted
from agent.store.protocol import Stored
from agent.store.sql import SqlStore
from agent.store.tables import metadata
from tests.conftest import ROOT
from tests.contract.record import ADA, BOB, DEGRADED, STARTED, ended_ago, gap, segment, sums, window

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from alembic.script import ScriptDirectory

SAID = [Stored(seq, item) for seq, item in enumerate([segment("some words"), gap(), window(), DEGRADED], 1)]

SCHEMA = {
    "sqlite": ["SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name"],
    "postgresql": [
        "SELECT attrelid::regclass::text, attname, format_type(atttypid, atttypmod), attnotnull,"
        " attstattarget, pg_get_expr(adbin, adrelid), col_description(attrelid, attnum)"
        " FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid"
        " LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum"
        " WHERE relnamespace = 'public'::regnamespace AND attnum > 0 AND NOT attisdropped"
        " ORDER BY 1, attnum",
        "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE connamespace = 'public'::regnamespace ORDER BY 1, 2",
        "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1, 2",
    ],
}
"""All that there is, in order, as each kind of database tells it."""


def script() -> ScriptDirectory:
    """The steps."""
    from alembic.script import ScriptDirectory  # noqa: PLC0415 - slow to load

    return ScriptDirectory(str(Path(migrations.__file__).parent))


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[SqlStore]:
    """A store as a program that starts has it."""
    store = SqlStore(url)
    try:
        yield store
    finally:
        await store.aclose()


async def back(url: str, revision: str) -> None:
    """Undo the steps after `revision`."""
    async with opened(url) as store:
        await store.downgrade(revision)


async def schema(store: SqlStore) -> list[Sequence[Any]]:
    """Everything that is declared in a database."""
    async with store.database.engine.connect() as connection:
        return [
            tuple(row)
            for question in SCHEMA[connection.dialect.name]
            for row in await connection.execute(text(question))
        ]


async def fill(store: SqlStore, session: str) -> None:
    """A row at least in each table."""
    epoch = (await store.open_session(session, session, STARTED)).epoch
    await store.write(session, epoch, [*SAID, Stored(len(SAID) + 1, ended_ago(hours=1))])
    await store.save_speakers(session, epoch, [ADA, BOB])
    await store.save_accounting(session, epoch, [sums(ADA), sums(BOB)])
    await store.beat(session, epoch, Marks(12.5, (Mark(ADA, "TR_1", 11.25),)))
    await store.announce(session)
    await store.check_in("a supervisor", "", takes_jobs=True, may_lead=True)
    await store.claim_deliveries("a courier", 100, 60.0)
    async with store.database.engine.connect() as connection:
        for table in metadata.sorted_tables:
            assert await connection.scalar(select(func.count()).select_from(table)), f"{table} is empty"


@pytest.mark.parametrize("steps", range(1, int(migrations.HEAD) + 1))
async def test_steps_go_back_and_forward_again(url: str, steps: int) -> None:
    """What was said before is still there, is found, and the tables are those of a fresh database."""
    revisions = ["base", *(f"{number:04}" for number in range(1, int(migrations.HEAD)))]
    async with opened(url) as store:
        await store.migrate()
        fresh = await schema(store)
        await fill(store, "RM_1")
        await fill(store, "RM_2")
        await store.erase("RM_2")
    revision = revisions[-steps]
    await back(url, revision)
    async with opened(url) as store:
        if revision == "base":
            async with store.database.engine.connect() as connection:
                names = await connection.run_sync(lambda sync: inspect(sync).get_table_names())
            assert names == ["alembic_version"]
        await store.migrate()
        assert await schema(store) == fresh
        if revision != "base":
            assert (await store.items("RM_1"))[: len(SAID)] == SAID
        await fill(store, "RM_3")
        found = await store.list_sessions(Wanted(10, search=parse_search("some words")))
    assert {one.info.session for one in found} == {"RM_3"} | ({"RM_1"} if revision != "base" else set())


async def test_each_step_goes_back_by_itself(url: str) -> None:
    """One after the other, from the newest to nothing, and each of them forward again from there."""
    async with opened(url) as store:
        await store.migrate()
        fresh = await schema(store)
        await fill(store, "RM_1")
        kind = store.database.engine.dialect.name
    seen = [fresh]
    for step in script().walk_revisions():
        await back(url, str(step.down_revision or "base"))
        async with opened(url) as store:
            now = await schema(store)
            if getattr(step.module, "ONLY_ON", kind) == kind:
                assert now not in seen, f"{step.revision} undid nothing"
            else:
                assert now == seen[-1], f"{step.revision} is not for this kind of database"
            seen.append(now)
            async with store.database.engine.connect() as connection:
                assert await migrations.read_version(store.database.engine) == step.down_revision
                if step.down_revision:
                    said = await connection.scalar(text("SELECT text FROM segments"))
                    assert said == "some words"
    async with opened(url) as store:
        await store.migrate()
        assert await schema(store) == fresh


def run_downgrade(url: str, *arguments: str, answer: str = "") -> subprocess.CompletedProcess[str]:
    """The command, as somebody runs it."""
    return subprocess.run(
        [sys.executable, "-m", "agent.store", "downgrade", *arguments],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": url},
        input=answer,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


@pytest.mark.timeout(60)
async def test_the_command_says_what_is_lost_and_asks(url: str) -> None:
    """Nothing happens without a yes; the step asked for is where the database is then."""
    async with opened(url) as store:
        await store.migrate()
        refused = run_downgrade(url, "0004", answer="n\n")
        assert refused.returncode == 1
        assert await migrations.read_version(store.database.engine) == migrations.HEAD
        done = run_downgrade(url, "0004", answer="y\n")
        assert await migrations.read_version(store.database.engine) == "0004"
    assert "undoes 0009: Nothing is lost; the program of before finds" in done.stdout
    assert "undoes 0008: Nothing of a record is lost" in done.stdout
    assert "undoes 0007: Nothing goes; but PostgreSQL samples what is said again" in done.stdout
    assert "undoes 0006: Whoever comes back" in done.stdout
    assert "undoes 0005: The program of before would take a tombstone" in done.stdout
    assert "undoes 0004" not in done.stdout
    assert done.stdout.endswith("The database is at 0004.\n")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "said", "code"),
    [
        (["0099", "--yes"], "no step is called '0099'; there are base, 0001,", 1),
        (["", "--yes"], "no step is called ''", 1),
        ([migrations.HEAD, "--yes"], f"no step is called {migrations.HEAD!r}", 1),
    ],
)
def test_a_step_that_is_none_is_refused(tmp_path: Path, arguments: list[str], said: str, code: int) -> None:
    """With the names of those there are; the newest one is not a way back."""
    done = run_downgrade(f"sqlite:///{tmp_path}/record.db", *arguments)
    assert done.returncode == code
    assert said in done.stderr


def test_a_database_that_is_not_there_cannot_go_back(tmp_path: Path) -> None:
    """Nor one that is kept by the process alone: the command says so."""
    done = run_downgrade(f"sqlite:///{tmp_path}/record.db", "0004", "--yes")
    assert (done.returncode, "cannot go back to 0004" in done.stderr) == (1, True), done.stderr
    assert run_downgrade("memory:", "0004", "--yes").returncode == 2


def described_in_tables(name: str | None, kind: str, _parents: object) -> bool:
    """The index of words is made of what only one kind of database knows: `agent.store.search_queries`."""
    return not (name or "").startswith("search_index" if kind == "table" else "ix_search_words_words")


async def test_migrations_make_the_tables_that_the_code_uses(url: str) -> None:
    """Tables, columns, kinds, keys and indexes after all steps are those of tables.py."""
    from alembic.autogenerate import compare_metadata  # noqa: PLC0415 - slow to load
    from alembic.migration import MigrationContext  # noqa: PLC0415

    async with opened(url) as store:
        await store.migrate()
        async with store.database.engine.connect() as connection:
            differences = await connection.run_sync(
                lambda sync: compare_metadata(
                    MigrationContext.configure(sync, opts={"include_name": described_in_tables}), metadata
                )
            )
            indexes = await connection.run_sync(lambda sync: inspect(sync).get_indexes("segments"))
    assert differences == []
    assert [index["column_names"] for index in indexes] == [["session", "start_seconds", "seq"]]


def test_head_is_the_newest_step() -> None:
    """HEAD is written by hand so that nobody has to load Alembic to compare it."""
    assert script().get_heads() == [migrations.HEAD]


async def test_the_erasing_step_goes_back(url: str) -> None:
    """The program of before gets its tables back, and no tombstone that it would take for a session."""
    async with opened(url) as store:
        for sid in ("RM_1", "RM_2"):
            await store.open_session("room", sid, STARTED)
            await store.write(sid, 1, [Stored(1, segment())])
        await store.erase("room", "RM_1")
    await back(url, "0004")
    async with opened(url) as store:
        async with store.database.engine.connect() as connection:
            columns = await connection.run_sync(lambda sync: inspect(sync).get_columns("sessions"))
            assert "erased_at" not in {column["name"] for column in columns}
            found = await connection.execute(text("SELECT session FROM sessions"))
            assert found.scalars().all() == ["RM_2"]
        info = await store.find_session("room")
    assert info is not None
    assert (info.session, info.last_seq, info.erased_at) == ("RM_2", 1, None)
