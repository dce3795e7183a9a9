"""End-to-end encrypted audio: heard with the key; without it nothing is sent, and the record says why."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.core.model import Reason, State
from tests.conftest import LiveKit
from tests.integration.meeting import marked, meeting, written

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]

ANNA, BEN = tuple(range(4)), tuple(range(10, 14))
for numbers in (ANNA, BEN):
    marked(numbers)  # made now: it takes time that others would be heard to stutter


@pytest.mark.parametrize("key", ["", "a wrong key"])
async def test_without_the_key_nothing_is_sent_and_the_record_says_why(
    livekit: LiveKit, tmp_path: Path, key: str
) -> None:
    """Anna is encrypted, Ben is not: he is transcribed, and a status and a gap name her."""
    async with meeting(livekit, tmp_path, settings={"E2EE_KEY": key}) as room:
        anna = await room.join("anna", role="candidate", e2ee_key="anna's key", until_heard=False)
        await room.heard.wait_until(
            lambda: any(one.reason is Reason.ENCRYPTED for one in room.heard.statuses), timeout=15
        )
        (told,) = [one for one in room.heard.statuses if one.reason is Reason.ENCRYPTED]
        assert told.state is State.STOPPED
        assert told.speaker is not None
        assert told.speaker.identity == "anna"
        clip = marked(ANNA)
        sent = room.stats()["audio_seconds"]  # a wrong key may have let a moment of noise through
        spoken = await anna.say(clip.pcm, 48_000)
        assert room.stats()["audio_seconds"] == sent
        assert sent == 0 or key
        ben = await room.join("ben", role="interviewer")
        await room.say(ben, BEN)
        await room.all_written()
        await anna.leave()
        await room.eventually(lambda: any(one.reason is Reason.ENCRYPTED for one in room.heard.gaps))
        room.check_words()
        (gap,) = [one for one in room.heard.gaps if one.reason is Reason.ENCRYPTED]
        assert gap.speaker.identity == "anna"
        assert gap.start < anna.room_time(spoken.wall_at(0))
        assert anna.room_time(spoken.wall_at(clip.seconds)) < gap.end


async def test_with_the_key_everybody_is_heard(livekit: LiveKit, tmp_path: Path) -> None:
    """Also those who are not encrypted; and live text is for those who have the key."""
    async with meeting(livekit, tmp_path, settings={"E2EE_KEY": "our key"}) as room:
        anna = await room.join("anna", role="candidate", e2ee_key="our key")
        ben = await room.join("ben", role="interviewer")
        await room.say(anna, ANNA)
        await room.say(ben, BEN)
        await room.all_written()
        room.check_words()
        assert len(written(room.heard.finals)) == len(ANNA) + len(BEN)
        assert room.heard.gaps == []
        (publication,) = room.transcriber_room.remote_participants["anna"].track_publications.values()
        assert publication.encryption_type
