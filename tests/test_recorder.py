"""The recorder with real databases that go away: live goes on, nothing is lost, doubled or out of order."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy import Connection, event

from agent.core.model import Gap, Item, Reason, Segment, State, Status
from agent.errors import SpoolError, StoreError
from agent.recorder import PICK_UPS, Begun, Listeners, Patience, Recorder
from agent.sinks.protocol import Outgoing
from agent.store.pickup import Picker
from agent.store.protocol import Opened, Origin, Stored
from agent.store.spool import Spool, claimed, new_head, spool_files
from agent.store.sql import SqlStore
from local.postgres import Postgres
from tests.conftest import ROOT
from tests.contract.record import ADA, END, STARTED, segment, sums, window
from tests.sqlite import locked

ROOM, SID = "room", "RM_1"
QUICK = Patience(
    spool_after_seconds=0.1,
    publish_after_seconds=0.3,
    probe_seconds=0.2,
    retry_seconds=(0.05, 0.1),
)


class Rig:
    """A recorder at work, and what it shows and stores."""

    def __init__(self, url: str, folder: Path, patience: Patience = QUICK, max_bytes: int = 10**8) -> None:
        self.store = SqlStore(url, timeout_seconds=0.5)
        self.reader = SqlStore(url)
        self.folder = folder
        self.shown: list[Outgoing] = []
        self.taken_in: list[Item] = []
        self.windows_lost: set[int] = set()
        self.spool = Spool(folder, new_head(ROOM, SID, STARTED), max_bytes)
        self.recorder = Recorder(
            self.store,
            self.spool,
            Picker(folder, settle_seconds=0.0),
            Listeners(self.shown.append, self.taken_in.extend, self.windows_lost.update),
            patience,
        )

    def say(self, *numbers: int) -> None:
        """Record segments that tell their number."""
        for number in numbers:
            self.recorder.record(said(number))

    def shown_states(self) -> list[Status]:
        return [one.item for one in self.shown if isinstance(one.item, Status)]

    def shown_texts(self) -> list[str]:
        return [one.item.text for one in self.shown if isinstance(one.item, Segment)]

    async def until(self, holds: Callable[[], bool], seconds: float = 10.0) -> None:
        try:
            async with asyncio.timeout(seconds):
                while not holds():  # noqa: ASYNC110 - what is looked for has no event
                    await asyncio.sleep(0.01)
        except TimeoutError:
            pytest.fail(f"did not happen; shown: {self.shown[-5:]}")

    async def stored(self) -> list[Stored]:
        return await self.reader.items(SID, limit=100_000)

    async def texts(self) -> list[str]:
        """In order of number."""
        return [one.item.text for one in await self.stored() if isinstance(one.item, Segment)]

    @property
    def told(self) -> bool:
        """The room was told that the store is away."""
        return any(one.reason is Reason.STORE_UNREACHABLE for one in self.shown_states())

    @property
    def told_back(self) -> bool:
        """And that it is back."""
        return self.told and self.shown_states()[-1] == Status(State.LISTENING)


@asynccontextmanager
async def recording(
    url: str,
    folder: Path,
    patience: Patience = QUICK,
    max_bytes: int = 10**8,
    prepare: Callable[[Rig], None] = lambda _rig: None,
    opened: bool = True,
) -> AsyncIterator[Rig]:
    """A recorder that runs until the end of the block, as a session has it; `opened` before it begins."""
    rig = Rig(url, folder, patience, max_bytes)
    prepare(rig)
    try:
        async with asyncio.TaskGroup() as group:
            running = group.create_task(rig.recorder.run())
            if opened:
                assert await rig.recorder.begun(10.0)
                assert await rig.recorder.drain(10.0)
                rig.shown.clear()  # making the tables may have taken longer than these tests' patience
            yield rig
            running.cancel()
    finally:
        await rig.store.aclose()
        await rig.reader.aclose()
        await let_go(folder)


async def let_go(folder: Path) -> None:
    """Death frees a process's files at once; here the thread that writes may hold one a moment longer."""
    async with asyncio.timeout(10):
        for path in spool_files(folder):
            while path.exists():
                with claimed(path) as file:
                    if file is not None:
                        break
                await asyncio.sleep(0.01)


def said(number: int) -> Segment:
    """A segment that tells its number."""
    return segment(f"word{number}", float(number))


def words(*numbers: int) -> list[str]:
    """What `said` says."""
    return [f"word{number}" for number in numbers]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where spools are."""
    return tmp_path / "spool"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """An SQLite database."""
    return tmp_path / "record.db"


@pytest.fixture(scope="module")
def own_postgres() -> Iterator[Postgres]:
    """A server that may be broken."""
    with Postgres.start() as server:
        yield server


async def test_items_are_stored_before_they_are_shown(file: Path, folder: Path) -> None:
    """With the store there, each item is shown with the number under which it is stored; no spool is made."""
    async with recording(f"sqlite:///{file}", folder) as rig:
        rig.say(1, 2, 3)
        assert await rig.recorder.drain(5.0)
        assert [one.seq for one in rig.shown] == [1, 2, 3]
        assert [stored.seq for stored in await rig.stored()] == [1, 2, 3]
        assert spool_files(folder) == []


async def test_a_locked_database(file: Path, folder: Path) -> None:
    """Live goes on without numbers, the room is told in time and told again; then all is stored, in order."""
    async with recording(f"sqlite:///{file}", folder) as rig:
        rig.say(1)
        await rig.recorder.drain(5.0)
        with locked(file):
            rig.say(2, 3)
            await rig.until(lambda: rig.told, QUICK.publish_after_seconds + 0.5)
            assert rig.shown_texts() == words(1, 2, 3)
            rig.say(4)
            assert rig.shown_texts() == words(1, 2, 3, 4), "nothing waits while the store is known to be away"
            assert [one.seq for one in rig.shown[1:]] == [None] * 4
            await rig.until(lambda: bool(spool_files(folder)))
        await rig.until(lambda: rig.told_back)
        rig.say(5)
        assert await rig.recorder.drain(5.0)
        assert await rig.texts() == words(1, 2, 3, 4, 5)
        assert rig.shown_texts() == words(1, 2, 3, 4, 5), "shown once"
        assert rig.shown[-1].seq == 5
        assert spool_files(folder) == []


async def test_silence_is_noticed_too(file: Path, folder: Path) -> None:
    """Nobody speaks while the store goes away: the room is told all the same."""
    async with recording(f"sqlite:///{file}", folder) as rig:
        with locked(file):
            await rig.until(lambda: rig.told, QUICK.probe_seconds + QUICK.publish_after_seconds + 0.5)
        await rig.until(lambda: rig.told_back)


async def test_a_full_disk(file: Path, folder: Path) -> None:
    """SQLite has no room: what is stored stays, the rest waits, and is stored when there is room again."""
    pages = [0]

    def limit(connection: Connection) -> None:
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages[0] or 1073741823}")

    def prepare(rig: Rig) -> None:
        event.listen(rig.store.database.engine.sync_engine, "begin", limit)

    async with recording(f"sqlite:///{file}", folder, prepare=prepare) as rig:
        rig.say(1)
        await rig.recorder.drain(5.0)
        pages[0] = 1  # SQLite takes the size of now as the least
        rig.recorder.record(segment("x" * 2_000_000, 2.0))
        rig.say(3)
        await rig.until(lambda: rig.told)
        assert await rig.texts() == words(1)
        pages[0] = 0
        await rig.until(lambda: rig.told_back)
        await rig.recorder.drain(5.0)
        assert [text[:5] for text in await rig.texts()] == ["word1", "xxxxx", "word3"]


async def test_a_read_only_database(file: Path, folder: Path) -> None:
    """A connection that cannot write any more is replaced by one that can."""
    async with recording(f"sqlite:///{file}", folder) as rig:
        engine = rig.store.database.engine
        held = [await engine.connect() for _ in range(3)]
        for connection in held:
            await connection.exec_driver_sql("PRAGMA query_only=ON")
        for connection in held:
            await connection.close()
        rig.say(1, 2)
        assert await rig.recorder.drain(10.0)
        assert await rig.texts() == words(1, 2)


async def break_and_mend(server: Postgres, rig: Rig, way: str) -> None:
    """The server goes away, in this way, while something is said, and comes back."""
    if way == "killed":
        await asyncio.to_thread(server.kill)
    else:
        await asyncio.to_thread(server.halt)
    rig.say(*range(100, 110))
    await rig.until(lambda: rig.told)
    await asyncio.to_thread(server.resume)


@pytest.mark.parametrize("way", ["stopped", "killed"])
async def test_postgresql_goes_and_comes_back(own_postgres: Postgres, folder: Path, way: str) -> None:
    """Stopped in order, or killed in mid write: every item is stored once, in order; nothing is harmed."""
    url = own_postgres.create_database()
    async with recording(url, folder) as rig:
        writing = True

        async def speak() -> None:
            number = 0
            while writing:
                number += 1
                rig.say(number)
                await asyncio.sleep(0.002)

        async with asyncio.TaskGroup() as group:
            group.create_task(speak())
            await rig.until(lambda: len(rig.shown) > 20)
            writing = False
        await break_and_mend(own_postgres, rig, way)
        await rig.until(lambda: rig.told_back, 20.0)
        assert await rig.recorder.drain(10.0)
        assert await rig.texts() == rig.shown_texts()
        numbers = [stored.seq for stored in await rig.stored()]
        assert numbers == list(range(1, len(numbers) + 1))


async def test_postgresql_hangs(own_postgres: Postgres, folder: Path) -> None:
    """Its processes are stopped in mid air: no error comes, and the room is told all the same."""
    url = own_postgres.create_database()
    async with recording(url, folder) as rig:
        rig.say(1)
        await rig.recorder.drain(5.0)
        with own_postgres.frozen():
            rig.say(2)
            await rig.until(lambda: rig.told, 1.5)
            assert rig.shown_texts() == words(1, 2)
        await rig.until(lambda: rig.told_back)
        assert await rig.texts() == words(1, 2)


async def test_a_session_that_begins_without_the_store(own_postgres: Postgres, folder: Path) -> None:
    """It is recorded from its first word, and opened when the store is there."""
    url = own_postgres.create_database()
    await asyncio.to_thread(own_postgres.halt)
    async with recording(url, folder, opened=False) as rig:
        assert await rig.recorder.begun(0.3) is None
        rig.say(1, 2)
        rig.recorder.save_speakers([ADA])
        await rig.until(lambda: rig.told)
        assert rig.shown_texts() == words(1, 2)
        await asyncio.to_thread(own_postgres.resume)
        begun = await rig.recorder.begun(20.0)
        assert begun is not None
        assert (begun.opened.epoch, begun.opened.last_seq) == (1, 0)
        rig.say(3)
        assert await rig.recorder.drain(10.0)
        assert await rig.texts() == words(1, 2, 3)
        assert (await rig.store.open_session(ROOM, SID, STARTED)).speakers == (ADA,)


async def test_a_late_beginning_of_a_known_session(file: Path, folder: Path) -> None:
    """An earlier transcriber has written before the store went away: its items stand, ours come after."""
    url = f"sqlite:///{file}"
    async with recording(url, folder) as first:
        first.say(1, 2)
        await first.recorder.drain(5.0)
    async with recording(url, folder, opened=False) as rig:
        with locked(file):
            assert await rig.recorder.begun(0.2) is None
            rig.say(3)
            await rig.until(lambda: rig.told)
        begun = await rig.recorder.begun(10.0)
        assert begun == Begun(begun.opened, (said(1), said(2))) if begun else False
        rig.say(4)
        assert await rig.recorder.drain(5.0)
        assert await rig.texts() == words(1, 2, 3, 4)
        assert [stored.seq for stored in await rig.stored()] == [1, 2, 3, 4]
        assert rig.taken_in == []


LONG = Patience(0.05, 0.1, 0.2, (0.05, 0.1), items_in_memory=50)


async def test_a_refused_spool_holds_up_no_session(file: Path, folder: Path) -> None:
    """A spool is refused for good, and the store is away at the last try: the session opens all the same."""

    def prepare(rig: Rig) -> None:
        calls = 0
        opens = rig.store.open_session

        async def refuse(*_args: object) -> int:
            nonlocal calls
            calls += 1
            raise StoreError("refused")

        async def open_late(*args: str) -> Opened:
            if calls <= PICK_UPS:
                raise StoreError("away")
            return await opens(*args)

        rig.recorder._picker = SimpleNamespace(pick_up=refuse)  # type: ignore[assignment]
        rig.store.open_session = open_late  # type: ignore[method-assign]
        rig.say(1)

    async with recording(f"sqlite:///{file}", folder, prepare=prepare, opened=False) as rig:
        assert await rig.recorder.begun(10.0)
        assert await rig.recorder.drain(5.0)
        assert await rig.texts() == words(1)


async def test_the_sums_of_the_end_are_the_last(file: Path, folder: Path) -> None:
    """Running sums that waited with it do not take their place, nor do those on disk after a kill."""
    async with recording(f"sqlite:///{file}", folder) as rig:
        with locked(file):
            rig.recorder.save_accounting([sums(heard=1.0)])
            await rig.until(lambda: bool(spool_files(folder)))
            rig.recorder.record(END)
        assert await rig.recorder.drain(5.0)
        info = await rig.reader.find_session(ROOM)
        assert info is not None
        assert info.accounting == END.accounting
        with locked(file):
            rig.recorder.save_accounting([sums(heard=1.0)])
            rig.recorder.record(replace(END, gaps=7))
            assert await rig.recorder._pending.spill()
            (path,) = spool_files(folder)
            kept = path.read_bytes()
        assert await rig.recorder.drain(5.0)
    (folder / f"{SID}.again.spool").write_bytes(kept)
    store = SqlStore(f"sqlite:///{file}")
    await Picker(folder, settle_seconds=0.0).pick_up(store)
    info = await store.find_session(ROOM)
    await store.aclose()
    assert info is not None
    assert info.accounting == END.accounting


async def test_a_long_outage_is_on_disk_not_in_memory(file: Path, folder: Path) -> None:
    """Memory holds fifty items; a thousand are said, with the session not open for the first of them."""
    async with locked_from_the_start(file), recording(f"sqlite:///{file}", folder, LONG, opened=False) as rig:
        assert await rig.recorder.begun(0.2) is None
        await say_slowly(rig, range(1, 601))
    # the block has ended the recorder as a dying process does: the next one takes the spool in
    async with recording(f"sqlite:///{file}", folder, LONG) as rig:
        with locked(file):
            await rig.until(lambda: rig.told)
            await say_slowly(rig, range(601, 1001))
        assert await rig.recorder.drain(20.0)
        assert await rig.texts() == words(*range(1, 1001))
        assert rig.shown_texts() == words(*range(601, 1001))
        assert spool_files(folder) == []


async def say_slowly(rig: Rig, numbers: Sequence[int]) -> None:
    """At a pace at which the disk keeps up."""
    for number in numbers:
        rig.say(number)
        if number % 40 == 0:
            await rig.until(lambda: not rig.recorder._pending._backlog.unspooled())


@asynccontextmanager
async def locked_from_the_start(file: Path) -> AsyncIterator[None]:
    """A database whose tables are there and which cannot be written."""
    store = SqlStore(f"sqlite:///{file}")
    await store.migrate()
    await store.aclose()
    with locked(file):
        yield


async def test_what_no_place_takes_becomes_a_gap(file: Path, folder: Path) -> None:
    """Memory and spool are full: the oldest becomes a gap, its window is said again; the rest is stored."""
    small = Patience(0.05, 0.1, 0.2, (0.05, 0.1), items_in_memory=10)
    async with recording(f"sqlite:///{file}", folder, small, max_bytes=1) as rig:
        rig.say(1)
        await rig.recorder.drain(5.0)
        with locked(file):
            await rig.until(lambda: rig.told)
            rig.recorder.record(window(7))
            rig.say(*range(2, 32))
        await rig.until(lambda: rig.told_back)
        assert await rig.recorder.drain(5.0)
        assert await rig.texts() == words(1, *range(22, 32))
        gaps = [stored.item for stored in await rig.stored() if isinstance(stored.item, Gap)]
        assert [(gap.start, gap.end, gap.reason) for gap in gaps] == [(2.0, 21.5, Reason.STORE_UNREACHABLE)]
        assert rig.windows_lost == {7}
        assert rig.shown_texts() == words(*range(1, 32)), "the room has seen all of it"


async def test_a_replaced_writer_leaves_what_it_could_not_store(file: Path, folder: Path) -> None:
    """It is fenced when the store is back: its words are taken in, the successor's numbers stand."""
    other = sqlite3.connect(file, isolation_level=None)
    async with recording(f"sqlite:///{file}", folder) as rig:
        other.execute("BEGIN EXCLUSIVE")
        rig.say(1, 2)
        await rig.until(lambda: rig.told)
        other.execute("UPDATE sessions SET epoch = 2")  # a successor is the first to get through
        other.execute("COMMIT")
        await rig.until(rig.recorder.fenced.is_set)
        rig.say(3)
    other.close()
    successor = SqlStore(f"sqlite:///{file}")
    await successor.write(SID, 2, [Stored(1, said(9))])
    assert await Picker(folder, settle_seconds=0.0).pick_up(successor) == 1
    found = [one.item.text for one in await successor.items(SID) if isinstance(one.item, Segment)]
    assert found == words(9, 1, 2)
    assert spool_files(folder) == []
    await successor.aclose()


async def test_a_live_writer_sees_what_was_taken_in(file: Path, folder: Path) -> None:
    """Items of a predecessor come between ours: the session is told, for windows and counts."""
    earlier = SqlStore(f"sqlite:///{file}")
    await earlier.open_session(ROOM, SID, STARTED)
    async with recording(f"sqlite:///{file}", folder) as rig:
        rig.say(5)
        await rig.recorder.drain(5.0)
        await earlier.import_items(Origin(ROOM, SID, STARTED, 1), [Stored(7, said(1)), Stored(8, said(2))])
        rig.say(6)
        await rig.recorder.drain(5.0)
        assert rig.taken_in == [said(1), said(2)]
        assert [one.seq for one in rig.shown] == [1, 4]
        assert await rig.texts() == words(5, 1, 2, 6)
    await earlier.aclose()


async def test_a_killed_job_loses_nothing(file: Path, folder: Path) -> None:
    """SIGKILL while the store is away: the next writer on the host stores it first, as if it had lived."""
    url = f"sqlite:///{file}"
    async with locked_from_the_start(file):
        pass
    store = SqlStore(url)
    opened = await store.open_session(ROOM, SID, STARTED)
    await store.write(SID, opened.epoch, [Stored(1, said(1))])
    with locked(file):
        job = subprocess.Popen(  # noqa: ASYNC220
            [sys.executable, "-m", "tests.dying_recorder", url, str(folder)], cwd=ROOT, env=dict(os.environ)
        )
        assert await asyncio.to_thread(job.wait, 60) == -9
    async with recording(url, folder) as rig:
        begun = await rig.recorder.begun(10.0)
        assert begun is not None
        rig.say(5)
        await rig.recorder.drain(5.0)
        assert await rig.texts() == words(1, 2, 3, 4, 5)
        assert begun.opened.accounting == (sums(ADA),)
    await store.aclose()


async def test_the_end_is_spooled_when_the_recorder_ends(file: Path, folder: Path) -> None:
    """The meeting ends while the store is away: its last words wait on disk and close the session later."""
    url = f"sqlite:///{file}"
    async with AsyncExitStack() as stack:
        async with recording(url, folder) as rig:
            stack.enter_context(locked(file))
            rig.say(1)
            rig.recorder.record(END)
        assert len(spool_files(folder)) == 1
    store = SqlStore(url)
    await Picker(folder).pick_up(store)
    info = await store.find_session(ROOM)
    assert info is not None
    assert info.ended_at == END.ended_at
    assert [one.text for _, one in await store.segments(SID)] == words(1)
    await store.aclose()


async def test_a_spool_that_cannot_be_read_back(
    file: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk fails under the spool: what memory has is stored; what only the disk has stays there."""
    async with recording(f"sqlite:///{file}", folder, LONG) as rig:
        with locked(file):
            await rig.until(lambda: rig.told)
            await say_slowly(rig, range(1, 501))

            async def broken(_offset: int, _limit: int) -> None:
                raise SpoolError("Input/output error")

            monkeypatch.setattr(rig.spool, "read", broken)
        assert await rig.recorder.drain(10.0)
        found = await rig.texts()
        assert found[-50:] == words(*range(451, 501))
        assert len(found) < 500
    store = SqlStore(f"sqlite:///{file}")
    assert await Picker(folder).pick_up(store) == 1
    assert [one.text for _, one in await store.segments(SID)] == words(*range(1, 501))
    await store.aclose()
