"""A session is erased while its writer works, with the database there or away: nothing of it comes back."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
import pytest_asyncio
from livekit import rtc

from agent.core.history import METHOD
from agent.core.model import Reason, Segment, State
from agent.errors import StoreError
from agent.pending import Pending
from agent.settings import Settings
from agent.sinks.history import History
from agent.store import open_store
from agent.store.pickup import Picker
from agent.store.protocol import Imported, Origin, Store, Stored
from agent.store.retention import erase
from agent.store.spool import Held, Labels, Spool, Spooled, Sums, new_head, spool_files
from agent.transcriber import reader_of
from tests.contract.record import ADA, BOB, END, STARTED, sums, window
from tests.sqlite import locked
from tests.test_pickup import leave, said
from tests.test_recorder import ROOM, SID, Rig, recording


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where spools are."""
    return tmp_path / "spool"


@pytest.fixture
def url(tmp_path: Path) -> str:
    """An SQLite database."""
    return f"sqlite:///{tmp_path}/record.db"


@pytest_asyncio.fixture
async def store(url: str) -> AsyncIterator[Store]:
    """The eraser's."""
    opened = open_store(url)
    yield opened
    await opened.aclose()


def files(folder: Path) -> list[Path]:
    """All of them, whatever they are called."""
    return list(folder.glob("*"))


async def test_the_writer_stops_and_says_so(store: Store, url: str, folder: Path) -> None:
    """Within a second, also in silence, the room is told, once; what comes later is neither kept nor sent."""
    async with recording(url, folder) as rig:
        rig.say(1, 2)
        assert await rig.recorder.drain(5.0)
        await store.erase(ROOM, SID)
        await rig.until(rig.recorder.fenced.is_set, 2.0)
        [status] = rig.shown_states()
        assert (status.state, status.reason, status.speaker) == (State.STOPPED, Reason.ERASED, None)
        assert "erased" in rig.recorder.over_because
        rig.say(3)
        rig.recorder.save_speakers([ADA, BOB])
        rig.recorder.save_accounting([sums()])
        assert await rig.recorder.drain(5.0)
        assert rig.shown_texts() == ["word1", "word2"]
    assert spool_files(folder) == []
    assert await store.items(SID) == []


async def test_what_waits_on_disk_is_erased_too(store: Store, url: str, folder: Path, tmp_path: Path) -> None:
    """The database was away, the spool is full of words: it goes when the writer hears of the erasure."""
    async with recording(url, folder) as rig:
        rig.say(1)
        assert await rig.recorder.drain(5.0)
        with locked(tmp_path / "record.db"):
            rig.say(*range(2, 50))
            rig.recorder.save_speakers([ADA])
            await rig.until(lambda: bool(spool_files(folder)))
        await store.erase(ROOM, SID)
        await rig.until(rig.recorder.fenced.is_set)
        await rig.until(lambda: not files(folder))
    assert files(folder) == []
    assert await store.items(SID) == []


async def test_a_transcriber_that_comes_later_writes_nothing(store: Store, url: str, folder: Path) -> None:
    """A job of the erased session, begun anew: it is told before it has stored a word."""
    await store.open_session(ROOM, SID, STARTED)
    await store.erase(ROOM, SID)
    async with recording(url, folder, opened=False) as rig:
        rig.say(1)
        await rig.until(rig.recorder.fenced.is_set)
        assert [one.reason for one in rig.shown_states()] == [Reason.ERASED]
        assert rig.shown_texts() == []
    assert files(folder) == []
    assert await store.items(SID) == []


async def test_erased_between_opening_and_the_first_write(store: Store, url: str, folder: Path) -> None:
    """What was said before the session could be opened is not left on disk either."""

    def prepare(rig: Rig) -> None:
        write_late = rig.store.import_items

        async def erase_first(origin: Origin, items: Sequence[Stored]) -> Imported:
            if items:
                await store.erase(ROOM, SID)
            return await write_late(origin, items)

        rig.store.import_items = erase_first  # type: ignore[method-assign]
        rig.say(1, 2)

    async with recording(url, folder, prepare=prepare, opened=False) as rig:
        await rig.until(rig.recorder.fenced.is_set)
        assert [one.reason for one in rig.shown_states()][-1] is Reason.ERASED
    assert files(folder) == []
    assert await store.items(SID) == []


async def test_ended_between_hearing_of_it_and_the_deletion(
    store: Store, url: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The recorder is cancelled while the disk still writes a batch of the erased session."""
    written, answers = os.fsync, threading.Event()

    def slow(descriptor: int) -> None:
        assert answers.wait(10)
        written(descriptor)

    async with recording(url, folder) as rig:
        store_items = rig.store.write

        async def erase_first(session: str, epoch: int, items: Sequence[Stored]) -> list[int]:
            if items and not files(folder):
                raise StoreError("away")
            if items:
                await store.erase(ROOM, SID)
            return await store_items(session, epoch, items)

        rig.store.write = erase_first  # type: ignore[method-assign]
        monkeypatch.setattr("agent.store.spool.os.fsync", slow)
        rig.say(1, 2)
        await rig.until(rig.recorder.fenced.is_set)
        asyncio.get_running_loop().call_later(0.1, answers.set)
    assert files(folder) == []


async def test_torn_files_go_with_their_session(store: Store, folder: Path) -> None:
    """One that does not say whose it is has the session's sid in its name: it is not left aside for good."""
    await leave(folder, said(1), said(2))
    [path] = spool_files(folder)
    path.write_bytes(path.read_bytes()[7:])
    await store.open_session(ROOM, SID, STARTED)
    picker = Picker(folder)
    assert await picker.pick_up(store) == 0
    assert [one.suffix for one in files(folder)] == [".unreadable"]
    await store.erase(ROOM, SID)
    await picker.pick_up(store)
    assert files(folder) == []
    await leave(folder, said(1), said(2))
    [path] = spool_files(folder)
    path.write_bytes(path.read_bytes()[7:])
    assert await picker.pick_up(store, SID) == 1
    assert files(folder) == []


async def test_what_is_noted_after_the_erasure_goes_nowhere(folder: Path) -> None:
    """Names that come while the writer is leaving make no new file."""
    spool = Spool(folder, new_head(ROOM, SID, STARTED), 1_000_000)
    pending = Pending(spool, 100)
    pending.add(said(1).item)
    pending.note_speakers([ADA])
    assert await pending.spill()
    assert files(folder)
    pending.add(said(2).item)
    pending.erase()
    await pending.clear()
    assert pending.empty
    assert pending.losses() is None
    pending.note_speakers([BOB])
    assert await pending.spill()
    assert files(folder) == []
    pending.close()


class Participant:
    """The part of LiveKit's participant that answers calls."""

    def __init__(self) -> None:
        self.methods: dict[str, Callable[[rtc.RpcInvocationData], Awaitable[str]]] = {}
        self.register_rpc_method = self.methods.__setitem__
        self.unregister_rpc_method = self.methods.pop


async def test_history_in_the_room_says_that_it_was_erased(store: Store) -> None:
    """As long as the transcriber is there: not an empty record, which would say that nothing was said."""
    await store.open_session(ROOM, SID, STARTED)
    room = SimpleNamespace(name=ROOM, local_participant=Participant(), isconnected=lambda: True)
    history = History(cast(rtc.Room, room), SID, reader_of(store, ROOM, SID))
    ask = room.local_participant.methods[METHOD]
    call = rtc.RpcInvocationData("request", "anna", '{"after": 0}', 5.0)
    assert '"items":[]' in await ask(call)
    await store.write(SID, 1, [Stored(1, said(1).item)])
    assert "word1" in await ask(call)
    await store.erase(ROOM)
    with pytest.raises(rtc.RpcError, match="was erased"):
        await ask(call)
    history.close()


@pytest.mark.parametrize("epoch", [0, 1, 2])
async def test_orphaned_spools_are_removed(
    store: Store, folder: Path, epoch: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Of the last writer, of a replaced one, of one that never reached the database: all go unread."""
    for _ in range(2):
        await store.open_session(ROOM, SID, STARTED)
    await store.erase(ROOM, SID)
    words = [said(number, epoch=epoch) for number in range(1, 300)]
    await leave(
        folder,
        Held(epoch),
        *words,
        Spooled(epoch, 301, window()),
        Spooled(epoch, 302, END),
        Labels((ADA,)),
        Sums((sums(),)),
    )
    with caplog.at_level("INFO"):
        assert await Picker(folder).pick_up(store, SID) == 1, "no successor's last answers are waited for"
    assert [getattr(record, "action", "") for record in caplog.records] == ["spool_erased"]
    assert files(folder) == []
    assert await store.items(SID) == []
    info = await store.find_session(ROOM, SID)
    assert info is not None
    assert (info.accounting, info.last_seq) == ((), 0)


async def test_erasing_while_a_spool_is_taken_in(store: Store, folder: Path) -> None:
    """Whoever comes first, nothing is left of it."""
    await store.open_session(ROOM, SID, STARTED)
    await leave(folder, *(said(number) for number in range(1, 1500)), Labels((ADA,)), Sums((sums(),)))
    picker = Picker(folder, settle_seconds=0.0)
    results = await asyncio.gather(
        picker.pick_up(store), _erase_when_some_is_there(store, folder), return_exceptions=True
    )
    assert not isinstance(results[1], BaseException)
    await picker.pick_up(store)
    assert spool_files(folder) == []
    assert await store.items(SID) == []


async def _erase_when_some_is_there(store: Store, folder: Path) -> None:
    async with asyncio.timeout(10):
        while not [one for one in await store.items(SID, limit=1) if isinstance(one.item, Segment)]:  # noqa: ASYNC110
            await asyncio.sleep(0)
    await erase(store, Settings.from_env({"SPOOL_DIRECTORY": str(folder)}), ROOM, SID)
