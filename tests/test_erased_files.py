"""A raw search through all files of a host finds nothing of an erased session: database, log, spools."""

from __future__ import annotations

import asyncio
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from agent.core.model import Accounting, End, Gap, Item, Reason, Speaker, State, Status, Turn, Window
from agent.core.succession import Mark, Marks
from agent.errors import StoreError
from agent.settings import Settings
from agent.store.protocol import Stored
from agent.store.retention import erase
from agent.store.spool import Labels, Spool, Spooled, Sums, new_head
from agent.store.sql import SqlStore
from tests.contract.record import STARTED, segment

ROOM, SID, OTHER = "room", "RM_1", "RM_2"
CASSANDRA = Speaker("cassandra-identity", "Cassandra of Troy", "candidate", "cassandra-label")
SECRETS = (
    *(f"secretword{number}" for number in range(400)),
    *("cassandra-identity", "Cassandra of Troy", "cassandra-label", "secretdetail", "secretmark"),
)
"""What is said, and who says it."""


def said(number: int) -> Item:
    """A long sentence with a word of its own."""
    return segment(f"plain secretword{number} plain {'x' * (number * 13 % 900)}", float(number), CASSANDRA)


def record() -> list[Item]:
    """Everything that an item can hold."""
    turns = tuple(Turn(CASSANDRA, n, n + 1, f"secretword{n} " * 40) for n in range(40))
    return [
        *(said(number) for number in range(400)),
        Window(0, 1, 0.0, 20.0, True, ("cassandra-label",), turns, 80, 2),
        Gap(CASSANDRA, "TR_1", 1.0, 2.0, Reason.RATE_LIMITED),
        Status(State.DEGRADED, Reason.RATE_LIMITED, CASSANDRA, "secretdetail"),
        End(1, 2, 3, 4, STARTED, STARTED, (Accounting(CASSANDRA, 9.0),)),
    ]


def found(folder: Path) -> set[str]:
    """Which of the secrets are in some file below `folder`."""
    files = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    assert files
    return {secret for secret in SECRETS if any(secret.encode() in data for data in files)}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A host whose files are all below one folder."""
    return Settings.from_env(
        {"DATABASE_URL": f"sqlite:///{tmp_path}/record.db", "SPOOL_DIRECTORY": f"{tmp_path}/spool"}
    )


async def fill(store: SqlStore, session: str = SID) -> None:
    """Store a record as a writer does: in batches, with labels, sums and marks that change."""
    epoch = (await store.open_session(ROOM, session, STARTED)).epoch
    items = record()
    for start in range(0, len(items), 50):
        batch = [Stored(seq, items[seq - 1]) for seq in range(start + 1, min(start + 51, len(items) + 1))]
        await store.write(session, epoch, batch)
        await store.save_speakers(session, epoch, [replace(CASSANDRA, role=f"role{start}")])
        await store.save_accounting(session, epoch, [Accounting(CASSANDRA, float(start))])
        await store.beat(session, epoch, Marks(1.0, (Mark(CASSANDRA, f"secretmark{start}", 1.0),)))


async def spool(folder: Path) -> Spool:
    """A writer that has spooled some of it, and lives."""
    made = Spool(folder, new_head(ROOM, SID, STARTED), 10_000_000)
    rest = [Spooled(1, 500 + number, said(number)) for number in range(20)]
    await made.append([*rest, Labels((CASSANDRA,)), Sums((Accounting(CASSANDRA),))])
    return made


async def test_no_file_holds_a_word_of_an_erased_session(tmp_path: Path, settings: Settings) -> None:
    """Words, names, identities, labels: all are found before, none after, while the writer still lives."""
    writer, service = SqlStore(settings.database_url), SqlStore(settings.database_url)
    waiting = await spool(tmp_path / "spool")
    try:
        await fill(writer)
        await service.segments(SID)
        assert found(tmp_path) == set(SECRETS)
        assert await erase(service, settings, ROOM) is not None
        assert found(tmp_path) == set()
        info = await service.find_session(ROOM)
        assert info is not None
        assert info.erased_at is not None
    finally:
        waiting.close()
        await writer.aclose()
        await service.aclose()
    assert found(tmp_path) == set(), "nor when the database is closed"


async def test_other_sessions_stay_whole(tmp_path: Path, settings: Settings) -> None:
    """The same words said in another session are kept, while its writer goes on during the erasure."""
    store, writer = SqlStore(settings.database_url), SqlStore(settings.database_url)
    try:
        await fill(store)
        await fill(writer, OTHER)
        last = len(record())

        async def go_on() -> None:
            for seq in range(last + 1, last + 200):
                await writer.write(OTHER, 1, [Stored(seq, said(seq))])

        async with asyncio.TaskGroup() as group:
            group.create_task(go_on())
            await erase(store, settings, ROOM, SID)
        assert len(await store.items(OTHER, limit=10_000)) == last + 199
        assert await store.items(SID) == []
        await erase(store, settings, ROOM, OTHER)
        assert found(tmp_path) == set()
    finally:
        await store.aclose()
        await writer.aclose()


async def test_a_reader_in_the_way_is_told(tmp_path: Path, settings: Settings) -> None:
    """While somebody reads an old state, its pages are kept: the erasing says so, and is finished later."""
    store = SqlStore(settings.database_url, timeout_seconds=0.5)
    try:
        await fill(store)
        reader = sqlite3.connect(tmp_path / "record.db", isolation_level=None)
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM segments").fetchall()
        with pytest.raises(StoreError, match="did not answer"):
            await erase(store, settings, ROOM)
        assert await store.items(SID) == [], "no reader of ours sees it any more"
        assert found(tmp_path), "but the log still has it"
        reader.close()
        assert await erase(store, settings, ROOM) is not None
        assert found(tmp_path) == set()
        await store.open_session(ROOM, OTHER, STARTED)
    finally:
        await store.aclose()
