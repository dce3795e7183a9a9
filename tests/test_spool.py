"""The spool's file: what is read is what was written, and damage costs no more than the lines it hits."""

from __future__ import annotations

import asyncio
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.model import Segment
from agent.errors import SpoolError
from agent.store.clean import clean
from agent.store.spool import (
    Entry,
    Head,
    Labels,
    Spool,
    Spooled,
    Sums,
    claimed,
    entry_of,
    erase_spools,
    files_of,
    line_of,
    new_head,
    read_page,
    spool_files,
)
from tests.conftest import ROOT
from tests.contract.record import ADA, BOB, END, ONE_OF_EACH, STARTED, items, segment, sums

HEAD = new_head("room", "RM_1", STARTED)
ENTRIES: list[Entry] = [
    HEAD,
    *(Spooled(1, number, item) for number, item in enumerate(ONE_OF_EACH, start=1)),
    Labels((ADA, BOB)),
    Sums((sums(ADA), sums(BOB, 7.123456789))),
]
LINES = [line_of(entry) for entry in ENTRIES]


def read(data: bytes) -> tuple[list[Entry], int]:
    """All entries of a file, and how many lines could not be read."""
    page = read_page(io.BytesIO(data), 0, 10_000)
    assert page.next_offset == len(data)
    return list(page.entries), page.unreadable


def test_entries_come_back() -> None:
    """Items of all types, labels and sums are read as they were written, the sums to the last bit."""
    assert read(b"".join(LINES)) == (ENTRIES, 0)


@given(st.lists(items, max_size=5))
def test_any_item_is_one_line(some: list[Segment]) -> None:
    """Whatever is said: no line is broken by it, and a fit value comes back as the wire has it."""
    lines = [line_of(Spooled(1, number, item)) for number, item in enumerate(some, start=1)]
    assert all(line.count(b"\n") == 1 and line.endswith(b"\n") for line in lines)
    found, unreadable = read(b"".join(lines))
    assert unreadable == 0
    assert [line_of(entry) for entry in found] == lines
    assert [type(one.item) for one in found if isinstance(one, Spooled)] == [type(clean(one)) for one in some]


@given(st.integers(0, len(b"".join(LINES))))
def test_a_cut_costs_the_torn_line_alone(cut: int) -> None:
    """The host dies at any byte: whole lines stand, the torn one is told."""
    data = b"".join(LINES)[:cut]
    whole = data.count(b"\n")
    torn = data != b"" and not data.endswith(b"\n")
    assert read(data) == (ENTRIES[:whole], int(torn))


@given(st.integers(0, len(b"".join(LINES)) - 1), st.integers(1, 255))
def test_a_damaged_byte_costs_at_most_two_lines(place: int, change: int) -> None:
    """A byte became another: its line is told and skipped (two, when it was a line feed)."""
    data = bytearray(b"".join(LINES))
    data[place] ^= change
    found, unreadable = read(bytes(data))
    assert 1 <= unreadable <= 2
    assert len(ENTRIES) - 2 <= len(found) < len(ENTRIES)
    assert all(entry in ENTRIES for entry in found)


@given(st.binary(max_size=80))
def test_any_bytes_are_no_crash(data: bytes) -> None:
    """What is no line of ours is none."""
    assert entry_of(data) is None or data in LINES


def test_pages_walk_through_a_file() -> None:
    """A file of any length is read in pages, each entry once."""
    file = io.BytesIO(b"".join(LINES))
    found: list[Entry] = []
    offset = 0
    while (page := read_page(file, offset, 3)).entries:
        assert len(page.entries) <= 3
        found += page.entries
        offset = page.next_offset
    assert found == ENTRIES


def spool(directory: Path, head: Head = HEAD, max_bytes: int = 1_000_000) -> Spool:
    """A spool that may use a megabyte."""
    return Spool(directory, head, max_bytes)


async def test_nothing_is_made_before_it_is_needed(tmp_path: Path) -> None:
    """A store that is never away leaves no file, no folder and no thread behind."""
    one = spool(tmp_path / "spool")
    await one.clear()
    one.close()
    assert not (tmp_path / "spool").exists()


async def test_a_file_is_private_locked_and_removed_when_done(tmp_path: Path) -> None:
    """Speech is for its owner alone; a living writer's file is nobody else's; what is stored is removed."""
    one = spool(tmp_path / "spool")
    await one.append(ENTRIES[1:3])
    (path,) = spool_files(tmp_path / "spool")
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    with claimed(path) as file:
        assert file is None
    assert (await one.read(0, 10)).entries == tuple(ENTRIES[:3])
    await one.clear()
    assert spool_files(tmp_path / "spool") == []
    await one.append(ENTRIES[3:4])
    one.close()
    (path,) = spool_files(tmp_path / "spool")
    assert read(path.read_bytes()) == ([HEAD, ENTRIES[3]], 0)


async def test_the_bound_is_for_all_files(tmp_path: Path) -> None:
    """Beyond the bound nothing is taken, from no writer; what is there stays."""
    first, second = spool(tmp_path), spool(tmp_path, new_head("room", "RM_2", STARTED))
    await first.append([Spooled(1, 1, segment("a" * 300_000))])
    with pytest.raises(SpoolError, match="hold"):
        await second.append([Spooled(1, 1, segment("b" * 300_000))])
    await first.clear()
    await second.append([Spooled(1, 1, segment("b" * 300_000))])
    first.close()
    second.close()


async def test_a_full_disk_leaves_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch that did not fit does not count, whatever of it had been written; the next one does."""
    one = spool(tmp_path)
    await one.append([Spooled(1, 1, segment("first"))])

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(SpoolError, match="No space left"):
            await one.append([Spooled(1, 2, segment("second"))])
    await one.append([Spooled(1, 3, segment("third"))])
    one.close()
    (path,) = spool_files(tmp_path)
    assert read(path.read_bytes()) == (
        [HEAD, Spooled(1, 1, segment("first")), Spooled(1, 3, segment("third"))],
        0,
    )


async def test_a_disk_that_hangs_is_an_error_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller gets its error within the limit, and no calls pile up behind the one that hangs."""
    release = asyncio.Event()
    loop = asyncio.get_running_loop()

    def hang(_descriptor: int) -> None:
        asyncio.run_coroutine_threadsafe(release.wait(), loop).result()

    one = Spool(tmp_path, HEAD, 1_000_000, timeout_seconds=0.05)
    monkeypatch.setattr(os, "fsync", hang)
    with pytest.raises(SpoolError, match="within"):
        await one.append(ENTRIES[1:2])
    with pytest.raises(SpoolError, match="not answered"):
        await one.append(ENTRIES[1:2])
    release.set()
    one.close()


async def test_files_of_a_session_are_erased(tmp_path: Path) -> None:
    """All of one session, whoever wrote them; none of another whose sid begins alike."""
    spools = [
        spool(tmp_path, new_head("room", session, STARTED)) for session in ("RM_1", "RM_1", "RM_11", "a/b")
    ]
    for one in spools:
        await one.append([Spooled(1, 1, END)])
    assert [len(files_of(tmp_path, name)) for name in ("RM_1", "RM_11", "a/b", "RM_")] == [2, 1, 1, 0]
    assert erase_spools(tmp_path, "RM_1") == 2
    assert len(spool_files(tmp_path)) == 2
    assert erase_spools(tmp_path / "none", "RM_1") == 0
    for one in spools:
        one.close()


def test_a_killed_writer_leaves_an_orphan(tmp_path: Path) -> None:
    """SIGKILL right after an append: the lines are there, and nobody holds the file any more."""
    program = (
        "import asyncio, os, sys, pathlib\n"
        "from agent.store.spool import *\n"
        "from tests.contract.record import segment, STARTED\n"
        "async def main():\n"
        "    one = Spool(pathlib.Path(sys.argv[1]), new_head('room', 'RM_1', STARTED), 10**6)\n"
        "    await one.append([Spooled(1, 1, segment('last words'))])\n"
        "    os.kill(os.getpid(), 9)\n"
        "asyncio.run(main())\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], cwd=ROOT, check=False)
    assert done.returncode == -9
    (path,) = spool_files(tmp_path)
    with claimed(path) as file:
        assert file is not None
        assert read(file.read())[0][1:] == [Spooled(1, 1, segment("last words"))]
