"""RETENTION_DAYS: what has been over for longer is erased in the background, and nothing else is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agent.background.run_beside import Background, run_beside
from agent.errors import StoreError
from agent.settings import Settings
from agent.store.erasure import Tombstone
from agent.store.memory import MemoryStore
from agent.store.protocol import Stored
from agent.store.retention import BATCH, Retention
from agent.store.spool import Spooled, spool_files
from tests.contract.record import STARTED, ended_ago, segment
from tests.http.service import calling
from tests.test_pickup import leave

EVERY = 0.05


async def add(store: MemoryStore, session: str, ended_days_ago: float) -> None:
    """A session of the room "a"."""
    await store.open_session("a", session, STARTED)
    end = ended_ago(days=ended_days_ago)
    await store.write(session, 1, [Stored(1, segment("hello")), Stored(2, end)])


async def erased(store: MemoryStore) -> set[str]:
    """The sessions that are tombstones."""
    infos = [await store.find_session("a", sid) for sid in store._sessions]
    return {info.session for info in infos if info is not None and info.erased_at is not None}


@asynccontextmanager
async def retaining(store: MemoryStore, tmp_path: Path, days: int = 30) -> AsyncIterator[Retention]:
    """At work during the block."""
    settings = Settings.from_env({"RETENTION_DAYS": str(days), "SPOOL_DIRECTORY": f"{tmp_path}/spool"})
    retention = Retention(store, settings, every_seconds=EVERY)
    async with run_beside(Background(), "retention", retention.run, first_seconds=EVERY):
        yield retention


async def until(holds: Callable[[], bool]) -> None:
    """Wait for it."""
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - what is looked for has no event
            await asyncio.sleep(0.01)


class SlowToErase(MemoryStore):
    """Refuses to erase one session at first."""

    def __init__(self) -> None:
        super().__init__()
        self.refusals = 3
        self.looks = 0

    async def erase(self, room: str, session: str | None = None) -> Tombstone | None:
        """See `Erasing.erase`: done, but the log could not be emptied."""
        done = await super().erase(room, session)
        if session == "RM_stuck" and self.refusals:
            self.refusals -= 1
            raise StoreError("somebody reads")
        return done

    async def may_erase_expired(self, holder: str, seconds: float) -> bool:
        """See `Erasing.may_erase_expired`."""
        self.looks += 1
        return await super().may_erase_expired(holder, seconds)


async def test_what_is_old_enough_is_erased(tmp_path: Path) -> None:
    """By the session's end, not by its beginning; one that ended later, or runs, stays."""
    store = SlowToErase()
    await add(store, "RM_old", 31)
    await add(store, "RM_young", 29)
    await store.open_session("a", "RM_running", "2020-01-01T00:00:00.000Z")
    await leave(tmp_path / "spool", Spooled(1, 9, segment("late")), session="RM_old")
    async with retaining(store, tmp_path):
        await until(lambda: store.looks >= 3)
    assert await erased(store) == {"RM_old"}
    assert len(await store.items("RM_young")) == 2
    assert spool_files(tmp_path / "spool") == []


async def test_a_backlog_is_worked_off_in_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than one look takes; the next one comes soon."""
    monkeypatch.setattr("agent.store.retention.PAUSE_SECONDS", 0.01)
    store = SlowToErase()
    for number in range(2 * BATCH + 5):
        await add(store, f"RM_{number}", 100 + number)
    async with retaining(store, tmp_path):
        await until(lambda: store.looks >= 4)
    assert len(await erased(store)) == 2 * BATCH + 5


async def test_what_was_cut_short_is_finished(tmp_path: Path) -> None:
    """A session whose erasing fails holds up no other, and is tried until it is done."""
    store = SlowToErase()
    await add(store, "RM_stuck", 99)
    await add(store, "RM_next", 98)
    async with retaining(store, tmp_path):
        await until(lambda: not store.refusals)
    assert await erased(store) == {"RM_stuck", "RM_next"}


async def test_of_two_services_one_erases(tmp_path: Path) -> None:
    """The second one asks for the lease, and leaves the work to the first."""
    store = SlowToErase()
    assert await store.may_erase_expired("another service", 60)
    await add(store, "RM_old", 31)
    async with retaining(store, tmp_path):
        await until(lambda: store.looks >= 4)
    assert await erased(store) == set()


@pytest.mark.parametrize(("days", "gone"), [("30", {"RM_old"}), ("0", set()), ("", set())])
async def test_the_token_service_does_it(days: str, gone: set[str], tmp_path: Path) -> None:
    """Only when RETENTION_DAYS is set and not 0; the task ends with the service."""
    store = SlowToErase()
    await add(store, "RM_old", 31)
    async with calling(store, RETENTION_DAYS=days, SPOOL_DIRECTORY=str(tmp_path)) as client:
        app = client._transport.app  # type: ignore[attr-defined]
        async with app.router.lifespan_context(app):
            if gone:
                await until(lambda: store.looks > 0)
            assert (await client.get("/")).status_code == 200
    assert await erased(store) == gone
