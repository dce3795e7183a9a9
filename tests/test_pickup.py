"""Orphaned spools are taken in: before a successor, after one, after the end; whole, once, and in order."""

from __future__ import annotations

import os
import subprocess
import sys
import zlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from agent.core.model import Item, Reason, Segment
from agent.errors import StoreError
from agent.store import open_store
from agent.store.pickup import Picker
from agent.store.protocol import Store, Stored
from agent.store.spool import Entry, Held, Labels, Spool, Spooled, Sums, erase_spools, new_head, spool_files
from tests.conftest import ROOT
from tests.contract.record import ADA, END, LISTENING, STARTED, gap, segment, sums, window

ROOM, SID = "room", "RM_1"


@pytest_asyncio.fixture
async def store(url: str) -> AsyncIterator[Store]:
    """A store on it."""
    opened = open_store(url)
    yield opened
    await opened.aclose()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where spools are."""
    return tmp_path / "spool"


@pytest.fixture
def picker(folder: Path) -> Picker:
    """Takes in without waiting for a successor's last answers."""
    return Picker(folder, settle_seconds=0.0)


async def leave(folder: Path, *entries: Entry, session: str = SID) -> None:
    """A writer spools some entries and dies."""
    spool = Spool(folder, new_head(ROOM, session, STARTED), 10_000_000)
    await spool.append(entries)
    spool.close()
    while spool._file is not None:  # its thread lets go of the file
        pass


def said(number: int, text: str = "", epoch: int = 1) -> Spooled:
    """A spooled segment of one second, at the second of its number."""
    return Spooled(epoch, number, segment(text or f"word{number} next{number}", float(number)))


async def texts(store: Store) -> list[str]:
    """What was said, in order of time."""
    return [one.text for _, one in await store.segments(SID)]


async def test_before_a_successor(store: Store, folder: Path, picker: Picker) -> None:
    """Nobody has written since: all is as if the dead writer had stored it, labels and sums too."""
    await store.open_session(ROOM, SID, STARTED)
    await store.write(SID, 1, [Stored(1, LISTENING), Stored(2, said(2).item)])
    await leave(folder, said(2), said(3), Spooled(1, 4, window()), Labels((ADA,)), Sums((sums(ADA),)))
    assert await picker.pick_up(store) == 1
    assert spool_files(folder) == []
    assert [stored.seq for stored in await store.items(SID)] == [1, 2, 3, 4]
    opened = await store.open_session(ROOM, SID, STARTED)
    assert (opened.last_seq, opened.speakers, opened.accounting) == (4, (ADA,), (sums(ADA),))


async def test_a_long_spool_is_taken_in_page_by_page(store: Store, folder: Path, picker: Picker) -> None:
    """Thousands of items, over several epochs' names, in their order."""
    await store.open_session(ROOM, SID, STARTED)
    early = [said(number, epoch=0) for number in range(1, 451)]
    await leave(folder, *early, Held(1), *(said(number) for number in range(451, 1001)))
    assert await picker.pick_up(store) == 1
    assert [stored.seq for stored in await store.items(SID, limit=5000)] == list(range(1, 1001))
    assert await texts(store) == [f"word{number} next{number}" for number in range(1, 1001)]


async def test_the_store_was_never_there(store: Store, folder: Path, picker: Picker) -> None:
    """A whole meeting in the spool: the session is made, and closed by its end."""
    items: list[Item] = [LISTENING, said(2).item, window(), END]
    await leave(folder, *(Spooled(0, number, item) for number, item in enumerate(items, start=1)))
    assert await picker.pick_up(store) == 1
    info = await store.find_session(ROOM)
    assert info is not None
    assert info.ended_at == END.ended_at
    assert [stored.item for stored in await store.items(SID)] == items


async def test_beside_a_live_successor(store: Store, folder: Path, picker: Picker) -> None:
    """The successor's items keep their numbers, the late ones come after; of what both heard one stands."""
    await store.open_session(ROOM, SID, STARTED)
    await leave(folder, said(1), said(2, "two half"), Spooled(1, 3, gap(5.0)), Spooled(1, 4, window()))
    await store.open_session(ROOM, SID, STARTED)
    heard = replace(segment("half three", 2.5), segment_id="SG_new")
    await store.write(SID, 2, [Stored(1, LISTENING), Stored(2, heard)])
    assert await picker.pick_up(store) == 1
    assert await texts(store) == ["word1 next1", "two", "half three"]
    assert [type(stored.item).__name__ for stored in await store.items(SID)] == [
        "Status",
        "Segment",
        "Segment",
        "Segment",
        "Gap",
    ]
    assert await store.write(SID, 2, [Stored(3, LISTENING)]) == [6]


async def test_a_live_successor_is_given_time(store: Store, folder: Path) -> None:
    """What both heard may not be stored by the successor yet: the spool rests, and is not lost."""
    await store.open_session(ROOM, SID, STARTED)
    await leave(folder, said(1))
    await store.open_session(ROOM, SID, STARTED)
    assert await Picker(folder, settle_seconds=60.0).pick_up(store) == 0
    (path,) = spool_files(folder)
    os.utime(path, (1.0, 1.0))
    assert await Picker(folder, settle_seconds=60.0).pick_up(store) == 1
    assert await texts(store) == ["word1 next1"]


async def test_after_the_end(store: Store, folder: Path, picker: Picker) -> None:
    """The successor has ended the session: windows and end are said once more, with all words."""
    await store.open_session(ROOM, SID, STARTED)
    await leave(folder, said(1), said(12))
    await store.open_session(ROOM, SID, STARTED)
    new = segment("three four", 3.0)
    old = replace(window(0, 1, "three four"), complete=True, pending=())
    end = replace(END, segments=1, words=2, windows=1, gaps=0)
    await store.write(SID, 2, [Stored(1, new), Stored(2, old), Stored(3, end)])
    for _ in range(2):
        assert await picker.pick_up(store) == int(_ == 0)
    assert await texts(store) == ["word1 next1", "three four", "word12 next12"]
    windows = [one for _, one in await store.windows(SID)]
    assert [(one.window_id, one.revision, one.words) for one in windows] == [(0, 2, 6), (1, 1, 2)]
    found = await store.end_of(SID)
    assert found is not None
    assert found == replace(end, segments=3, words=6, windows=2)


async def test_dying_in_the_middle_doubles_nothing(
    store: Store, folder: Path, picker: Picker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store goes away before the last page, whoever has taken over; the next time the rest comes."""
    await store.open_session(ROOM, SID, STARTED)
    await store.open_session(ROOM, SID, STARTED)
    await leave(folder, *(said(number) for number in range(1, 501)))
    calls = 0
    original = store.import_items

    async def fails_at_the_third(origin: object, items: object) -> object:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise StoreError("gone")
        return await original(origin, items)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(store, "import_items", fails_at_the_third)
        with pytest.raises(StoreError):
            await picker.pick_up(store)
    assert 0 < len(await texts(store)) < 500
    assert await picker.pick_up(store) == 1
    assert await texts(store) == [f"word{number} next{number}" for number in range(1, 501)]


async def test_torn_and_foreign_files(
    store: Store, folder: Path, picker: Picker, caplog: pytest.LogCaptureFixture
) -> None:
    """A torn tail is told and the rest taken in; a file that says nothing is left aside, and told."""
    await leave(folder, said(1), said(2), said(3))
    (path,) = spool_files(folder)
    path.write_bytes(path.read_bytes()[:-5])
    (folder / "RM_9.x.spool").write_bytes(b"deadbeef {}\n")
    caplog.set_level("INFO")
    assert await picker.pick_up(store) == 1
    assert await texts(store) == ["word1 next1", "word2 next2"]
    actions = sorted(record.action for record in caplog.records if hasattr(record, "action"))
    assert actions == ["spool_taken_in", "spool_torn", "spool_torn"]
    assert erase_spools(folder, "RM_9") == 1, "it was left aside"


async def test_one_file_that_is_refused_holds_up_no_other(
    store: Store, folder: Path, picker: Picker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error is told after the others were taken in."""
    await leave(folder, said(1), session="RM_0")
    await leave(folder, said(1))
    original = store.import_items

    async def refuses_one(origin: object, items: object) -> object:
        if getattr(origin, "session", "") == "RM_0":
            raise StoreError("no")
        return await original(origin, items)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "import_items", refuses_one)
    with pytest.raises(StoreError, match="no"):
        await picker.pick_up(store)
    assert await texts(store) == ["word1 next1"]
    assert len(spool_files(folder)) == 1


async def test_the_command(url: str, folder: Path, store: Store) -> None:
    """`python -m agent.store pickup` stores what is there and says how much."""
    await leave(folder, Spooled(0, 1, segment("by hand")))
    done = subprocess.run(  # noqa: ASYNC221 - nothing else runs in this test
        [sys.executable, "-m", "agent.store", "pickup"],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": url, "SPOOL_DIRECTORY": str(folder)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "1 spools taken in, 0 left.\n"), done.stderr
    ((_, found),) = await store.segments(SID)
    assert isinstance(found, Segment)
    assert found.text == "by hand"


async def test_a_newer_programs_spool_waits_for_one(store: Store, folder: Path, picker: Picker) -> None:
    """An item of a type that is not known here would be lost: the file stays, whole, for who can read it."""
    await leave(folder, said(1), Spooled(1, 2, gap()))
    [path] = spool_files(folder)
    head, first, last = path.read_bytes().splitlines(keepends=True)
    body = last[9:-1].replace(b'"type":"gap"', b'"type":"verdict"')
    path.write_bytes(head + first + b"%08x %b\n" % (zlib.crc32(body), body))
    before = path.read_bytes()
    assert await picker.pick_up(store) == 0
    assert [path.read_bytes() for path in spool_files(folder)] == [before]


async def test_a_newer_programs_reason_is_taken_in(store: Store, folder: Path, picker: Picker) -> None:
    """A gap is a gap, whatever it is for."""
    await leave(folder, Spooled(1, 1, replace(gap(), reason=Reason("solar_flare"))))
    assert await picker.pick_up(store) == 1
    assert [one.reason for _, one in await store.gaps(SID)] == ["solar_flare"]
