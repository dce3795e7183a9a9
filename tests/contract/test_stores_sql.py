"""What is asked of the databases beyond the contract: many processes, faults, limits."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from sqlalchemy import event, text

from agent.errors import SettingsError, StoreError
from agent.settings import Settings
from agent.store import open_store
from agent.store.memory import MemoryStore
from agent.store.protocol import Stored
from agent.store.sql import SqlStore
from tests.conftest import ROOT
from tests.contract.record import END, STARTED, segment


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where an SQLite record is, or will be."""
    return tmp_path / "record.db"


@pytest_asyncio.fixture
async def store(url: str) -> AsyncIterator[SqlStore]:
    """A store with a short limit."""
    opened = SqlStore(url, timeout_seconds=2.0)
    yield opened
    await opened.aclose()


@contextlib.asynccontextmanager
async def opened(url: str, timeout_seconds: float = 2.0) -> AsyncIterator[SqlStore]:
    """A further store."""
    one = SqlStore(url, timeout_seconds=timeout_seconds)
    try:
        yield one
    finally:
        await one.aclose()


def run_upgrade(url: str) -> subprocess.Popen[str]:
    """The command, in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "agent.store", "upgrade"],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": url},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


async def test_the_record_outlives_the_process(url: str) -> None:
    """What one store wrote, a later one reads, and goes on with."""
    async with opened(url) as first:
        await first.open_session("room", "RM_1", STARTED)
        await first.write("RM_1", 1, [Stored(1, segment()), Stored(2, END)])
    async with opened(url) as second:
        assert await second.items("RM_1") == [Stored(1, segment()), Stored(2, END)]
        assert (await second.open_session("room", "RM_1", STARTED)).epoch == 2


@pytest.mark.timeout(60)
def test_processes_that_start_at_once_migrate_once(url: str) -> None:
    """Four hosts start on an empty database: each finds it ready, none fails."""
    running = [run_upgrade(url) for _ in range(4)]
    for process in running:
        out, err = process.communicate(timeout=50)
        assert (process.returncode, out, err) == (0, "The database is up to date.\n", "")


async def test_a_newer_database_is_left_alone(store: SqlStore) -> None:
    """A program older than the database says so, and changes nothing."""
    await store.migrate()
    async with store.database.engine.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        await connection.execute(text("UPDATE compatibility SET oldest = '9999'"))
    url = store.database.engine.url.render_as_string(hide_password=False)
    async with opened(url) as older:
        with pytest.raises(StoreError, match="newer"):
            await older.items("RM_1")


async def test_a_fault_says_where_but_not_what_was_said(store: SqlStore) -> None:
    """The error of a failed write names the database and the cause; speech and passwords stay out of it."""
    await store.open_session("room", "RM_1", STARTED)
    async with store.database.engine.begin() as connection:
        await connection.execute(text("ALTER TABLE segments RENAME TO lost"))
    with pytest.raises(StoreError, match="segments") as caught:
        await store.write("RM_1", 1, [Stored(1, segment("my password is swordfish"))])
    assert caught.value.__cause__ is not None
    assert "swordfish" not in str(caught.value)
    assert str(store.database.engine.url.password) not in str(caught.value)
    assert await store.items("RM_1") == [], "half of the write was stored"


async def test_a_cancelled_write_harms_nobody(store: SqlStore) -> None:
    """Whenever the caller gave up, the item is there as a whole or not at all, and the store works."""
    await store.open_session("room", "RM_1", STARTED)
    for seq in range(1, 41):
        task = asyncio.create_task(
            store.write("RM_1", 1, [Stored(seq, segment(f"number {seq}", float(seq)))])
        )
        for _ in range(seq):
            await asyncio.sleep(0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    await store.write("RM_1", 1, [Stored(41, segment("last", 41.0))])
    items = await store.items("RM_1")
    assert items[-1].seq == 41
    assert [stored.seq for stored in items] == sorted(seq for seq, _ in await store.segments("RM_1"))


async def test_a_locked_file_is_an_error_in_time(file: Path) -> None:
    """Another program holds the write lock: a StoreError within the limit; afterwards all is well."""
    async with opened(f"sqlite:///{file}", timeout_seconds=0.5) as store:
        await store.open_session("room", "RM_1", STARTED)
        other = sqlite3.connect(file)
        other.execute("BEGIN IMMEDIATE")
        async with asyncio.timeout(3):
            with pytest.raises(StoreError, match=r"locked|did not answer"):
                await store.write("RM_1", 1, [Stored(1, segment())])
        assert await store.items("RM_1") == [], "readers do not wait for writers"
        other.rollback()
        other.close()
        await store.write("RM_1", 1, [Stored(1, segment())])
        assert await store.items("RM_1") == [Stored(1, segment())]


async def test_a_short_lock_is_waited_for(file: Path) -> None:
    """Two rooms write at once: the second waits for the first instead of failing."""
    async with opened(f"sqlite:///{file}") as store:
        await store.open_session("room", "RM_1", STARTED)
        other = sqlite3.connect(file)
        other.execute("BEGIN IMMEDIATE")
        writing = asyncio.create_task(store.write("RM_1", 1, [Stored(1, segment())]))
        done, _ = await asyncio.wait([writing], timeout=0.2)
        assert not done
        other.rollback()
        other.close()
        await writing


async def test_the_file_is_private_and_in_wal_mode(file: Path) -> None:
    """A folder that we make is its owner's alone; readers and the writer do not wait for each other."""
    inside = file.parent / "data" / "deeper" / "record.db"
    async with opened(f"sqlite:///{inside}") as store:
        await store.migrate()
        assert inside.parent.stat().st_mode & 0o777 == 0o700
        with sqlite3.connect(inside) as other:
            assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)


@pytest.mark.parametrize("content", [b"", b"this is no database, although it is long enough to be read" * 50])
async def test_files_that_are_no_database(file: Path, content: bytes) -> None:
    """An empty file becomes one; anything else is an error that says which file."""
    await asyncio.to_thread(file.write_bytes, content)
    async with opened(f"sqlite:///{file}") as store:
        if content:
            with pytest.raises(StoreError, match=r"record\.db.*not a database"):
                await store.migrate()
            assert await asyncio.to_thread(file.read_bytes) == content
        else:
            await store.migrate()


async def test_a_folder_that_cannot_be_made(file: Path) -> None:
    """The path leads through a file: an error that says so, no crash."""
    await asyncio.to_thread(file.touch)
    async with opened(f"sqlite:///{file}/data/record.db") as store:
        with pytest.raises(StoreError, match=r"record\.db"):
            await store.items("RM_1")


async def test_nobody_listens(unused_tcp_port: int) -> None:
    """PostgreSQL is down: a StoreError without the password; the store is used again when it is back."""
    url = f"postgresql://someone:swordfish@127.0.0.1:{unused_tcp_port}/record"
    async with opened(url) as store:
        for _ in range(2):
            with pytest.raises(StoreError) as caught:
                await store.items("RM_1")
            assert "swordfish" not in str(caught.value)
            assert str(unused_tcp_port) in str(caught.value)


async def test_nobody_answers() -> None:
    """A host that accepts and then is silent costs no more than the limit."""
    silent = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    async with silent, opened(f"postgresql://a:b@127.0.0.1:{port}/record", timeout_seconds=0.3) as store:
        async with asyncio.timeout(3):
            with pytest.raises(StoreError, match="did not answer within"):
                await store.items("RM_1")


async def test_connections_that_were_cut_are_replaced(postgres_url: str) -> None:
    """PostgreSQL was restarted between two calls: the second one works."""
    async with opened(postgres_url) as store, opened(postgres_url) as other:
        await store.open_session("room", "RM_1", STARTED)
        await other.migrate()
        async with other.database.engine.begin() as connection:
            await connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            )
        await store.write("RM_1", 1, [Stored(1, segment())])


async def test_a_wrong_password_is_an_error_of_the_store(postgres_url: str) -> None:
    """Refused is refused, whatever the driver calls it."""
    user, _, host = postgres_url.partition("@")
    async with opened(f"{user.rpartition(':')[0]}:wrong@{host}") as store:
        with pytest.raises(StoreError, match="password"):
            await store.items("RM_1")


def test_the_command_fails_with_one_line(tmp_path: Path) -> None:
    """No traceback, exit code 1."""
    (tmp_path / "file").write_text("in the way")
    process = run_upgrade(f"sqlite:///{tmp_path}/file/record.db")
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (1, "")
    assert err.startswith("error: SQLite at ")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "url", ["sqlite://", "sqlite:///", "sqlite+aiosqlite:///:memory:", "memory:", "memory://"]
)
def test_a_record_without_a_file_is_kept_in_memory(url: str) -> None:
    """SQLite's own memory would be another one for each connection."""
    assert isinstance(open_store(url), MemoryStore)


@pytest.mark.parametrize("url", ["", "mysql://host/record", "record.db", "postgresql://host:port/record"])
def test_urls_that_name_no_store(url: str) -> None:
    """The error names the setting."""
    with pytest.raises(SettingsError, match="DATABASE_URL"):
        open_store(url)


def test_the_database_library_is_loaded_late() -> None:
    """It takes half a second, which the token service's start and in-memory programs need not spend."""
    program = (
        "import sys, agent.store; agent.store.open_store('memory:'); sys.exit('sqlalchemy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0


@pytest.mark.parametrize(
    "fault", [TypeError("connect() got an unexpected keyword"), RuntimeError("broken"), KeyError("x")]
)
async def test_any_error_of_a_driver_is_a_store_error(url: str, fault: Exception) -> None:
    """Also one that nobody foresaw: callers know what to do without a store, and nothing else."""
    async with opened(url) as store:
        await store.migrate()

        @event.listens_for(store.database.engine.sync_engine, "begin")
        def _fail(_: object) -> None:
            raise fault

        with pytest.raises(StoreError, match=type(fault).__name__) as caught:
            await store.open_session("room", "RM_1", STARTED)
        assert caught.value.__cause__ is fault


async def test_parameters_of_the_address_reach_postgresql(postgres_url: str) -> None:
    """As libpq's users write them; the shorter one of two time limits holds."""
    given = "sslmode=prefer&connect_timeout=3&application_name=talks&options=-c%20work_mem%3D2MB"
    url = Settings.from_env({"DATABASE_URL": f"{postgres_url}?{given}"}).database_url
    async with opened(url) as store:
        await store.open_session("room", "RM_1", STARTED)
        async with store.database.engine.connect() as connection:
            found = await connection.execute(
                text("SELECT current_setting('application_name'), current_setting('work_mem')")
            )
            assert tuple(found.one()) == ("talks", "2MB")
        assert "talks" not in store.database.place


async def test_encryption_that_is_asked_for_is_not_left_out(postgres_url: str) -> None:
    """This server offers none: nobody's words go over the network in the clear."""
    url = Settings.from_env({"DATABASE_URL": f"{postgres_url}?sslmode=require"}).database_url
    async with opened(url) as store:
        with pytest.raises(StoreError, match="SSL"):
            await store.migrate()


async def test_the_address_may_hold_all_in_its_parameters(postgres_url: str) -> None:
    """The form for a socket of this host, here with an address."""
    parts = urlsplit(postgres_url)
    credentials = f"{parts.username}:{parts.password}@"
    url = f"postgresql://{credentials}{parts.path}?host={parts.hostname}&port={parts.port}"
    async with opened(Settings.from_env({"DATABASE_URL": url}).database_url) as store:
        await store.migrate()
