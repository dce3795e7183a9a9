"""The room's callbacks meet LiveKit's handles when these are gone already: no event is lost by it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from livekit import rtc

from agent.core.model import State
from agent.rtc.audio import TrackAudio
from agent.rtc.events import EventsLost, RoomEvent, TrackDeclined, TrackMuted
from agent.rtc.room import QUEUE_SIZE, RoomEvents
from tests.session.fakes import FakeRoom, FakeTrack
from tests.session.meeting import meeting
from tests.session.virtual_time import in_virtual_time


def _events(room: FakeRoom, **options: Any) -> RoomEvents:
    return RoomEvents(cast(rtc.Room, room), exclude_kinds=(), exclude_sources=(), **options)


def _all(events: RoomEvents) -> list[RoomEvent]:
    found = []
    while not events.queue.empty():
        found.append(events.queue.get_nowait())
    return found


@in_virtual_time
async def test_an_opt_out_counts_whatever_decryption_says() -> None:
    """A room that hears encrypted tracks cannot find the decryption of one: it is refused all the same."""

    def gone() -> None:
        raise AssertionError

    room = FakeRoom()
    cast(Any, room).e2ee_manager = SimpleNamespace(frame_cryptors=gone)
    events = _events(room, has_key=True)
    ann = room.join("ann")
    publication = room.publish(ann)
    _all(events)
    room.change_attributes(ann, transcribe="false")
    assert [one.track_sid for one in _all(events) if isinstance(one, TrackDeclined)] == [publication.sid]


@in_virtual_time
async def test_the_last_place_of_the_queue_says_that_events_were_lost() -> None:
    """Everything before it is in order, and nothing comes after it."""
    room = FakeRoom()
    events = _events(room)
    ann = room.join("ann")
    publication = room.publish(ann)
    _all(events)
    for _ in range(QUEUE_SIZE + 5):
        room.emit("track_muted", ann, publication)
    found = _all(events)
    assert len(found) == QUEUE_SIZE
    assert all(isinstance(one, TrackMuted) for one in found[:-1])
    assert isinstance(found[-1], EventsLost)
    room.emit("track_muted", ann, publication)
    assert _all(events) == []


@in_virtual_time
async def test_asking_others_to_leave_a_room_that_is_gone(tmp_path: Path) -> None:
    """LiveKit raises AssertionError for our own participant: the session learns of the end by itself."""
    room = FakeRoom()
    room.local_participant.fault = AssertionError()
    room.join("agent-transcriber-AJ_0")
    async with meeting(tmp_path, room=room) as show:
        assert [one.state for one in show.statuses] == [State.LISTENING]


@in_virtual_time
async def test_an_audio_stream_that_is_released_already() -> None:
    """Closing it is no fault of the track."""

    async def gone() -> None:
        raise AssertionError

    audio = TrackAudio(FakeTrack("TR_1"))
    cast(Any, audio)._stream = SimpleNamespace(aclose=gone)
    await audio.aclose()
