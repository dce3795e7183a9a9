"""LiveKit gives the receiver of an ended track to the next one: nobody is heard as another."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest
from livekit import rtc

from agent.rtc.audio import TrackAudio
from tests.conftest import LiveKit
from tests.integration.meeting import marked, meeting
from tests.integration.record import record_of

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]

CLIP = marked((1, 2, 3, 4))
LOUD = 1000


async def test_a_track_that_has_ended_knows_what_is_not_its_own(livekit: LiveKit, tmp_path: Path) -> None:
    """Somebody else speaks into the receiver of one who has left: it comes out here, and is told apart."""
    async with meeting(livekit, tmp_path) as room:
        anna = await room.join("anna", role="interviewer")
        ben = await room.join("ben", role="candidate", publish=False)
        (publication,) = room.transcriber_room.remote_participants["anna"].track_publications.values()
        assert isinstance(publication.track, rtc.RemoteAudioTrack)
        audio = TrackAudio(publication.track)
        frames = aiter(audio)
        try:
            await anext(frames)
            assert not await audio.is_over()
            await anna.unpublish("microphone")
            async with asyncio.timeout(10):
                while await audio.arrivals() is not None:  # noqa: ASYNC110 - there is no event to wait for
                    await asyncio.sleep(0.02)
            await ben.publish()
            await room.say_clip(ben, CLIP)
            async with asyncio.timeout(10):
                own = [await anext(frames)]
                while not await audio.is_over():
                    own.append(await anext(frames))
                foreign = [await anext(frames) for _ in range(20)]
            assert _loudest(own[:-1]) < LOUD < _loudest(foreign)
            assert await audio.arrivals() is None
        finally:
            await audio.aclose()
        await room.all_written()
        room.check_words()
        await room.delete_room()
        await room.ended()
        sums = {one.speaker.identity: one for one in (await record_of(room)).ends[-1].accounting}
        assert sums["anna"].speech == 0 < sums["ben"].speech


def _loudest(frames: list[bytes]) -> int:
    return max((int(np.abs(np.frombuffer(frame, np.int16)).max()) for frame in frames), default=0)
