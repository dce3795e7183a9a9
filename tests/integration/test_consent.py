"""Participants who opt out: nothing of them leaves the worker, and the record says so."""

from __future__ import annotations

from pathlib import Path

import pytest
from livekit import api

from agent.core.model import Gap, Reason, State
from local.speakers import RoomSpeaker, participant_token
from tests.conftest import LiveKit
from tests.integration.meeting import Meeting, marked, meeting, written

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]

REFUSED, FIRST, AFTER, LAST = (tuple(range(at, at + 4)) for at in (0, 10, 20, 30))
for numbers in (REFUSED, FIRST, AFTER, LAST):
    marked(numbers)  # made now: it takes time that others would be heard to stutter


async def anna_joins(room: Meeting) -> RoomSpeaker:
    """With a token that says she is not to be transcribed."""
    speaker = await room.stack.enter_async_context(RoomSpeaker())
    token = participant_token(
        room.livekit.api_key,
        room.livekit.api_secret,
        room=room.room,
        identity="anna",
        role="candidate",
        attributes={"role": "candidate", "transcribe": "false"},
    )
    await speaker.join(room.livekit.url, token)
    return speaker


async def change(room: Meeting, transcribe: str) -> None:
    """As a platform's server does it in the middle of a meeting."""
    async with api.LiveKitAPI(room.livekit.url, room.livekit.api_key, room.livekit.api_secret) as livekit:
        await livekit.room.update_participant(
            api.UpdateParticipantRequest(
                room=room.room, identity="anna", attributes={"transcribe": transcribe}
            )
        )


def opted_out(room: Meeting) -> list[Gap]:
    """What the record says of it."""
    return [gap for gap in room.heard.gaps if gap.reason is Reason.OPTED_OUT]


def told(room: Meeting) -> list[tuple[State, Reason | None]]:
    """The states of Anna."""
    return [
        (one.state, one.reason)
        for one in room.heard.statuses
        if one.speaker is not None and one.speaker.identity == "anna"
    ]


async def test_who_opts_out_is_not_heard_and_may_change_that(livekit: LiveKit, tmp_path: Path) -> None:
    """By the token, then heard in the meeting, then not any more; everything else goes on."""
    async with meeting(livekit, tmp_path) as room:
        anna = await anna_joins(room)
        await room.eventually(lambda: told(room) == [(State.STOPPED, Reason.OPTED_OUT)])
        refused = marked(REFUSED)
        before = await anna.say(refused.pcm, 48_000)
        assert room.stats()["sessions_opened"] == 0

        await change(room, "true")
        await anna.microphone.heard(timeout=20)
        await room.say(anna, FIRST)
        await room.all_written()
        (gap,) = opted_out(room)
        assert gap.speaker.identity == "anna"
        assert gap.start < anna.room_time(before.wall_at(0))
        assert anna.room_time(before.wall_at(refused.seconds)) < gap.end
        assert told(room)[-1] == (State.LISTENING, None)

        await change(room, "false")
        await room.eventually(lambda: told(room)[-1] == (State.STOPPED, Reason.OPTED_OUT))
        (publication,) = room.transcriber_room.remote_participants["anna"].track_publications.values()
        publication.set_subscribed(True)  # the yes from before, overtaken on its way
        audio = room.stats()["audio_seconds"]
        await anna.say(marked(AFTER).pcm, 48_000)
        ben = await room.join("ben", role="interviewer")
        assert room.stats()["audio_seconds"] == audio
        await room.say(ben, LAST)
        await room.all_written()
        assert publication.track is None
        await anna.leave()
        await room.eventually(lambda: len(opted_out(room)) == 2)
        room.check_words()
        assert not set(written(room.heard.finals)) & {word.text for word in refused.words}
        assert {gap.reason for gap in room.heard.gaps} == {Reason.OPTED_OUT}
