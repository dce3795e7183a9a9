"""A meeting whose store is away: people are heard, shown and told; the record is whole when it is back."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.core.model import End, Reason, State, Status
from agent.store import open_store
from agent.store.pickup import Picker
from agent.store.spool import spool_files
from tests.conftest import LiveKit
from tests.integration.meeting import Meeting, meeting, written
from tests.sqlite import locked

pytestmark = pytest.mark.live

BACK = Status(State.LISTENING)


def told(room: Meeting) -> bool:
    """The room knows that the store is away."""
    return any(one.reason is Reason.STORE_UNREACHABLE for one in room.heard.statuses)


async def recorded(room: Meeting) -> list[str]:
    """The words in the store, in order of time."""
    info = await room.store.find_session(room.room)
    assert info is not None
    return written(segment for _, segment in await room.store.segments(info.session))


async def test_a_meeting_that_begins_without_the_store(livekit: LiveKit, tmp_path: Path) -> None:
    """All of it is shown, without numbers; when the store is back its record is like any other."""
    first = open_store(f"sqlite:///{tmp_path}/record.db")
    await first.migrate()
    await first.aclose()
    with locked(tmp_path / "record.db"):
        async with meeting(livekit, tmp_path) as room:
            await room.heard.wait_until(lambda: told(room), timeout=10)
            anna = await room.join("anna", role="interviewer")
            await room.say(anna, range(5))
            await room.all_written()
            assert {one.envelope.seq for one in room.heard.messages} == {None}
            await room.eventually(lambda: bool(spool_files(tmp_path / "spool")))
            await anna.leave()
            await room.heard.wait_for(lambda message: isinstance(message.item, End), timeout=10)
    store = open_store(f"sqlite:///{tmp_path}/record.db")
    assert await store.find_session(room.room) is None
    assert await Picker(tmp_path / "spool").pick_up(store) == 1
    info = await store.find_session(room.room)
    assert info is not None
    assert info.ended_at is not None
    assert all(sums.balanced for sums in info.accounting)
    assert written(segment for _, segment in await store.segments(info.session)) == list(room.said.words)
    await store.aclose()


async def test_the_store_goes_and_comes_back(livekit: LiveKit, tmp_path: Path) -> None:
    """Told within three seconds, told again; every word shown once and stored once; the books balance."""
    async with meeting(livekit, tmp_path) as room:
        anna = await room.join("anna", role="interviewer")
        await room.say(anna, range(5))
        await room.all_written()
        with locked(tmp_path / "record.db"):
            await room.heard.wait_until(lambda: told(room), timeout=3.5)
            await room.say(anna, range(5, 10))
            await room.all_written(timeout=3)
        await room.heard.wait_until(lambda: room.heard.statuses[-1] == BACK, timeout=10)
        await room.say(anna, range(10, 15))
        await room.all_written()
        room.check_words()
        assert await recorded(room) == list(room.said.words)
        await anna.leave()
        end = await room.heard.wait_for(lambda message: isinstance(message.item, End), timeout=10)
        assert isinstance(end.item, End)
        assert end.item.words == 15
        assert all(sums.balanced for sums in end.item.accounting)
        assert end.envelope.seq is not None
        assert spool_files(tmp_path / "spool") == []
