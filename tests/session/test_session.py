"""The conductor in a room that a test plays, in virtual time."""

from __future__ import annotations

import asyncio
import errno
import json
import os
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from agent.closing import close_session
from agent.core.model import End, Gap, Reason, State, Status
from agent.core.succession import Marks
from agent.core.supervision import Watched, needs_call
from agent.errors import RoomEventsLost, StoreError
from agent.rtc.room import QUEUE_SIZE
from agent.settings import Settings
from agent.sinks.data_message import DataMessageSink
from agent.sinks.protocol import Outgoing
from agent.store.memory import MemoryStore
from agent.store.protocol import Opened, Stored
from tests.contract.record import segment
from tests.session.fakes import SID
from tests.session.meeting import meeting
from tests.session.virtual_time import ended, in_virtual_time, until


@in_virtual_time
async def test_a_whole_meeting(tmp_path: Path) -> None:
    """Words are shown by whom they were said, and the end follows the last speaker's leaving."""
    async with meeting(tmp_path) as show:
        ann, voice = await show.joined("ann")
        await show.said(voice, 1, 2, 3)
        show.room.leave(ann)
        show.room.close()
        await ended(show.running)
    assert show.texts == ["w1 w2 w3"]
    assert show.gaps == []
    [end] = show.ends
    assert (end.words, end.segments) == (3, 1)


@in_virtual_time
async def test_a_second_stop_keeps_the_hand_over(tmp_path: Path) -> None:
    """A second call does not take the hand-over back: the transcriber waits for its successor."""
    store = MemoryStore()
    await store.check_in("worker", "ours", takes_jobs=True, may_lead=False)
    async with meeting(tmp_path, store=store, AGENT_NAME="ours") as show:
        _, voice = await show.joined("ann")
        show.session.stop("the worker was stopped", hand_over=True)
        show.session.stop("stopped again")
        await asyncio.sleep(3.0)
        assert not show.running.done()
        await show.said(voice, 1)
        await store.arrive(SID)
        await ended(show.running)
    assert show.texts == ["w1"]


class _SlowStore(MemoryStore):
    """It takes a second to open a session."""

    async def open_session(self, room: str, session: str, started_at: str) -> Opened:
        await asyncio.sleep(1.0)
        return await super().open_session(room, session, started_at)


@in_virtual_time
async def test_stopped_before_it_begins(tmp_path: Path) -> None:
    """A session that is stopped at once leaves in order: it does not take itself for replaced."""
    store = _SlowStore()
    async with meeting(tmp_path, store=store, begun=False) as show:
        await asyncio.sleep(0.5)
        show.session.stop("stopped at once")
    assert not show.session._recorder.fenced.is_set()
    assert len(show.ends) == 1
    assert not (await store.watched([SID]))[SID].beating


class _AwayStore(MemoryStore):
    """It cannot be asked to open a session before it is there."""

    def __init__(self) -> None:
        super().__init__()
        self.there = False

    async def open_session(self, room: str, session: str, started_at: str) -> Opened:
        if not self.there:
            raise StoreError("away")
        return await super().open_session(room, session, started_at)


@pytest.mark.parametrize("earlier", [False, True], ids=["alone", "after another"])
def test_a_store_that_comes_after_the_end(tmp_path: Path, earlier: bool) -> None:
    """What was said is stored with one end; a second one only if an earlier transcriber wrote more."""

    @in_virtual_time
    async def play() -> None:
        store = _AwayStore()
        if earlier:
            opened = await MemoryStore.open_session(store, "interview", SID, "2026-11-25T10:00:00.000Z")
            await store.write(SID, opened.epoch, [Stored(1, segment("before"))])
            await store.release(SID, opened.epoch, Marks(0.0))
        async with meeting(tmp_path, store=store) as show:
            ann, voice = await show.joined("ann")
            await show.said(voice, 1)
            show.room.leave(ann)
            await until(lambda: len(show.ends) == 1)
            store.there = True
            await asyncio.sleep(10.0)
        ends = [one.item for one in await store.items(SID, limit=1000) if isinstance(one.item, End)]
        assert [end.segments for end in ends] == ([1, 2] if earlier else [1])

    play()


@pytest.mark.parametrize("fault", ["a file in its place", "disk fault"])
def test_a_spool_directory_that_cannot_be_listed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """The store is there, so the meeting is transcribed and stored; the log names the directory's fault."""
    folder = tmp_path / "spool"
    if fault == "a file in its place":
        folder.write_text("")
    else:
        listed = os.scandir

        def broken(path: Path) -> object:
            if path == folder:
                raise OSError(errno.EIO, "Input/output error")
            return listed(path)

        monkeypatch.setattr(os, "scandir", broken)

    @in_virtual_time
    async def play() -> None:
        async with meeting(folder) as show:
            ann, voice = await show.joined("ann")
            await show.said(voice, 1)
            show.room.leave(ann)
            show.room.close()
            await ended(show.running)
        assert [segment.text for _, segment in await show.store.segments(SID)] == ["w1"]
        assert len(show.ends) == 1

    play()
    failures = [one for one in caplog.records if getattr(one, "action", "") == "spool_failed"]
    assert [one.message for one in failures] == ["spools cannot be listed"]


class _Broken:
    """A sink on a dead handle."""

    name = "broken"

    def __init__(self) -> None:
        self.tries = 0

    async def send(self, _outgoing: Outgoing) -> None:
        self.tries += 1
        raise AssertionError


@in_virtual_time
async def test_a_broken_sink_ends_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever a sink raises is logged once and dropped; the session and the other sinks go on."""
    broken = _Broken()
    async with meeting(tmp_path, sinks=(broken,)) as show:
        _, voice = await show.joined("ann")
        await show.said(voice, 1)
        await show.said(voice, 2)
    assert show.texts == ["w1", "w2"]
    assert broken.tries >= 3
    failures = [one for one in caplog.records if getattr(one, "action", "") == "sink_failed"]
    assert [(one.levelname, one.sink) for one in failures] == [("WARNING", "broken")]  # type: ignore[attr-defined]


@in_virtual_time
async def test_a_room_that_takes_no_messages(tmp_path: Path) -> None:
    """LiveKit raises AssertionError for a participant that is gone: what is not shown is stored."""
    async with meeting(tmp_path, room_sinks=(DataMessageSink,)) as show:
        show.room.local_participant.fault = AssertionError()
        _, voice = await show.joined("ann")
        await show.said(voice, 1)
        await asyncio.sleep(2.0)
        show.room.local_participant.fault = None
        await show.said(voice, 2)
        await asyncio.sleep(2.0)
        messages = [json.loads(message) for message in show.room.local_participant.published]
    assert [one["text"] for one in messages if one["type"] == "segment"] == ["w2"]
    assert [segment.text for _, segment in await show.store.segments(SID)] == ["w1", "w2"]


@in_virtual_time
async def test_lost_events_end_the_session(tmp_path: Path) -> None:
    """More events than the queue holds: the session leaves, in order, and says that it failed."""
    with pytest.raises(RoomEventsLost):
        async with meeting(tmp_path) as show:
            ann, voice = await show.joined("ann")
            await show.said(voice, 1)
            for _ in range(QUEUE_SIZE):
                show.room.emit("track_muted", ann, voice)
            await asyncio.wait([show.running], timeout=30.0)
    assert show.texts == ["w1"]
    assert show.statuses[-1].reason is Reason.TRANSCRIBER_LOST
    assert needs_call((await show.store.watched([SID]))[SID], room_age=60.0)


@in_virtual_time
async def test_a_room_that_closes_for_an_unknown_reason(tmp_path: Path) -> None:
    """A newer server may have reasons that LiveKit's client does not know: the session ends all the same."""
    async with meeting(tmp_path) as show:
        await show.joined("ann")
        show.room.close(999)
        await ended(show.running)
    assert show.session.stop_reason == "reason_999"


@in_virtual_time
async def test_a_publication_that_is_gone(tmp_path: Path) -> None:
    """LiveKit raises AssertionError when it is asked for a track that it has given up: others are heard."""
    async with meeting(tmp_path) as show:
        bob = show.room.join("bob")
        show.room.publish(bob, gone=True)
        _, voice = await show.joined("ann")
        await asyncio.sleep(12.0)  # the session has asked anew twice
        await show.said(voice, 1)
    assert show.texts == ["w1"]


@in_virtual_time
async def test_an_opt_out_at_the_last_moment(tmp_path: Path) -> None:
    """What happened in the room just before the session leaves still counts."""
    async with meeting(tmp_path) as show:
        ann, voice = await show.joined("ann")
        assert voice.track is not None
        voice.track.say(1, 2, 3, 4, 5, 6)
        await asyncio.sleep(0.5)
        show.session.stop("the worker was stopped")
        show.room.change_attributes(ann, transcribe="false")
        await ended(show.running)
    assert (State.STOPPED, Reason.OPTED_OUT) in [(one.state, one.reason) for one in show.statuses]


class _SlowWatch(MemoryStore):
    """It takes half a second to say who is there."""

    async def watched(self, sessions: Sequence[str]) -> dict[str, Watched]:
        await asyncio.sleep(0.5)
        return await super().watched(sessions)


@in_virtual_time
async def test_the_room_closes_while_the_store_is_asked_who_is_there(tmp_path: Path) -> None:
    """A transcriber whose room is gone by the time its turn has come does not take the session."""
    store = _SlowWatch()
    async with meeting(tmp_path, store=store, begun=False) as show:
        await asyncio.sleep(0.75)
        show.room.close()
        await ended(show.running)
    assert (await store.open_session("interview", SID, "2026-11-25T10:00:00.000Z")).epoch == 1
    assert show.statuses == []


@in_virtual_time
async def test_the_session_may_be_stopped_twice(tmp_path: Path) -> None:
    """Of two reasons the first one is reported."""
    async with meeting(tmp_path) as show:
        _, _voice = await show.joined("ann")
        show.session.stop("first")
        show.session.stop("second", hand_over=True)
        await ended(show.running)
        await until(lambda: bool(show.statuses))
    assert show.statuses[-1].detail == "first"


@in_virtual_time
async def test_people_come_back_after_the_end(tmp_path: Path) -> None:
    """The session runs again from their publication on, and its next end has all of it."""
    async with meeting(tmp_path) as show:
        ann, voice = await show.joined("ann")
        await show.said(voice, 1, 2)
        show.room.leave(ann)
        await until(lambda: len(show.ends) == 1)
        info = await show.store.find_session("interview")
        assert info is not None
        assert info.ended_at == show.ends[0].ended_at
        show.room.emit("reconnecting")
        show.room.emit("reconnected")
        await asyncio.sleep(0.2)
        assert await show.store.end_of(SID) is not None, "a connection that comes back is nobody who does"
        ann = show.room.join("ann")
        publication = show.room.publish(ann)
        await asyncio.sleep(0.2)
        info = await show.store.find_session("interview")
        assert info is not None
        assert (info.ended_at, info.state) == (None, Status(State.LISTENING))
        await until(lambda: publication.track is not None and publication.track.readers == 1)
        await show.said(publication, 3)
        assert [one.session for one in await show.store.abandoned(-1.0)] == [SID]
        show.room.leave(ann)
        await until(lambda: len(show.ends) == 2)
        assert show.ends[1].words == 3
        assert all(one.balanced and one.speech > 0.9 for one in show.ends[1].accounting)
        assert await show.store.end_of(SID) == show.ends[1]
        show.room.close()
        await ended(show.running)
    assert len(show.ends) == 2


@pytest.mark.parametrize(
    ("attributes", "encryption_type", "reason"),
    [({"transcribe": "false"}, 0, Reason.OPTED_OUT), ({}, 1, Reason.ENCRYPTED)],
    ids=["opted out", "encrypted"],
)
@in_virtual_time
async def test_somebody_who_is_not_heard_comes_back_after_the_end(
    tmp_path: Path, attributes: dict[str, str], encryption_type: int, reason: Reason
) -> None:
    """The session runs again while the participant is there, and nothing is written behind its last end."""
    async with meeting(tmp_path) as show:
        ann, voice = await show.joined("ann")
        await show.said(voice, 1, 2)
        show.room.leave(ann)
        await until(lambda: len(show.ends) == 1)
        ann = show.room.join("ann", attributes=attributes)
        show.room.publish(ann, encryption_type=encryption_type)
        await asyncio.sleep(20.0)
        info = await show.store.find_session("interview")
        assert info is not None
        assert info.ended_at is None
        assert len(show.ends) == 1
        show.room.leave(ann)
        await until(lambda: len(show.ends) == 2)
        show.room.close()
        await ended(show.running)
    items = [stored.item for stored in await show.store.items(SID, limit=1000)]
    assert items[-1] == show.ends[-1]
    [missing] = [item for item in items if isinstance(item, Gap)]
    assert missing.reason is reason
    assert missing.end - missing.start == pytest.approx(20.0, abs=0.2)
    assert show.ends[-1].gaps == 1


@in_virtual_time
async def test_somebody_who_opted_out_stays_last(tmp_path: Path) -> None:
    """The end waits until the participant has left, so that the gap of the opt-out comes before it."""
    async with meeting(tmp_path) as show:
        bob = show.room.join("bob", attributes={"transcribe": "false"})
        show.room.publish(bob)
        ann, voice = await show.joined("ann")
        await show.said(voice, 1)
        show.room.leave(ann)
        await asyncio.sleep(30.0)
        assert show.ends == []
        show.room.leave(bob)
        await until(lambda: len(show.ends) == 1)
        assert show.ends[0].gaps == 1
        show.room.close()
        await ended(show.running)
    assert len(show.ends) == 1


@in_virtual_time
async def test_killed_after_people_came_back(tmp_path: Path) -> None:
    """A transcriber that dies in a session that goes on after its end is missed: what it heard is a gap."""
    store = MemoryStore()
    with suppress(asyncio.CancelledError):
        async with meeting(tmp_path, store=store) as show:
            ann, voice = await show.joined("ann")
            await show.said(voice, 1)
            show.room.leave(ann)
            await until(lambda: len(show.ends) == 1)
            await asyncio.sleep(30.0)
            await show.joined("ann")
            back = (show.room.date() - show.room.creation_time).total_seconds()
            await asyncio.sleep(2.0)
            show.running.cancel()
            await asyncio.sleep(60.0)
            [left] = await store.abandoned(30.0)
            gone = show.room.creation_time + timedelta(seconds=back + 10.0)
            await close_session(store, Settings(), left, gone)
    [gap] = [gap for _, gap in await store.gaps(SID)]
    assert (gap.speaker.identity, gap.reason) == ("ann", Reason.TRANSCRIBER_LOST)
    assert back - 0.5 < gap.start < back + 2.5
    assert gap.end == pytest.approx(back + 10.0, abs=0.1)
    end = await store.end_of(SID)
    assert end is not None
    assert (end.words, end.gaps) == (1, 1)
    assert end.accounting
    assert all(one.balanced for one in end.accounting)
