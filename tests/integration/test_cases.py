"""Cases from public reports (the number is that of the collection they come from) on the real server."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from livekit import rtc

from agent.core.messages import MAX_BYTES
from agent.core.model import Segment
from local.marked_speech import PlannedWord, synthesize
from local.recognizer.faults import Faults
from tests.conftest import LiveKit
from tests.integration.meeting import marked, meeting
from tests.integration.record import check_account, recorded

pytestmark = pytest.mark.live


@pytest.mark.timeout(200)
async def test_case_1_times_do_not_drift(livekit: LiveKit, tmp_path: Path) -> None:
    """A word every six seconds, three sessions lost: within 0.3 s of its time, the last as near as the first.

    One speaker only: a second one's joining would hold up the first one's audio for some seconds. That times
    hold without drops for as long is shown by test_many_words.py.
    """
    clip = synthesize([PlannedWord(number, 1 + 6 * number) for number in range(10)], tail_seconds=0.5)
    async with meeting(livekit, tmp_path) as room:
        anna = await room.join("anna", role="interviewer")
        saying = asyncio.create_task(room.say_clip(anna, clip))
        for number in range(3):
            await room.heard.wait_until(lambda n=3 * number: len(room.heard.finals) > n, timeout=60)
            room.recognizer.set_faults(Faults(drop_now=True))
        await saying
        await room.all_written()
        room.check_words()
        words = [word for segment in room.heard.finals for word in segment.words]
        errors = [word.start - room.said.words[word.text][1] for word in words]
        assert abs(errors[-1] - errors[0]) <= 0.1, errors


@pytest.mark.parametrize("hidden", [False, True])
async def test_case_7_captions_name_their_speaker(livekit: LiveKit, tmp_path: Path, hidden: bool) -> None:
    """Speaker and track of a caption are known, whether the transcriber can be seen or not."""
    async with meeting(livekit, tmp_path, hidden=hidden) as room:
        anna = await room.join("anna", role="interviewer", name="Anna")
        await room.say(anna, range(3))
        await room.all_written()
        await room.heard.wait_until(
            lambda: any(one.attributes["lk.transcription_final"] == "true" for one in room.heard.texts),
            timeout=5,
        )
        segment = room.heard.finals[0]
        for caption in room.heard.texts:
            assert caption.sender == "anna"
            assert caption.attributes["lk.transcribed_track_id"] == segment.track_sid
            assert caption.attributes["transcript.label"] == segment.speaker.label
        assert segment.speaker.identity == "anna"
        assert segment.speaker.name == "Anna"
        # a visible transcriber can be missing in this list for a while, although its messages arrive
        if hidden:
            seen = {one.identity for one in room.heard.room.remote_participants.values()}
            assert "agent-transcriber-test" not in seen


async def test_case_11_a_huge_text_and_then_a_normal_one(livekit: LiveKit, tmp_path: Path) -> None:
    """A final far beyond one packet arrives whole, and the next one right behind it."""
    async with meeting(livekit, tmp_path) as room:
        anna = await room.join("anna", role="interviewer")
        room.recognizer.set_faults(Faults(malformed_answers=1, malformation="huge_word"))
        await room.say(anna, range(10))
        await room.heard.wait_until(lambda: len(room.heard.finals) == 2, timeout=15)
        huge, normal = room.heard.finals
        assert len(huge.text) > 200_000
        assert normal.text.split() == [word.text for word in marked(tuple(range(10))).words[5:]]
        assert max(map(len, room.heard.packets)) <= MAX_BYTES
        assert not room.heard.strays
        stored = [item for _, item in await room.store.segments(room.heard.messages[0].envelope.session)]
        assert [segment.text for segment in stored] == [huge.text, normal.text]


async def test_history_and_live_messages_join(livekit: LiveKit, tmp_path: Path) -> None:
    """A late joiner asks for what it missed and has exactly what the others have."""
    async with meeting(livekit, tmp_path) as room:
        anna = await room.join("anna", role="interviewer")
        await room.say(anna, range(10))
        await room.all_written()
        late = await room.join("late", publish=False)
        reply = await late.room.local_participant.perform_rpc(
            destination_identity="agent-transcriber-test",
            method="transcript.history",
            payload='{"after": 0}',
            response_timeout=10,
        )
        for envelope in [one.envelope for one in room.heard.messages if one.envelope.seq is not None]:
            assert f'"seq":{envelope.seq}' in reply
        texts = [segment.text for segment in room.heard.finals]
        assert all(text in reply for text in texts)
        with pytest.raises(rtc.RpcError, match="must be a whole number"):
            await late.room.local_participant.perform_rpc(
                destination_identity="agent-transcriber-test",
                method="transcript.history",
                payload='{"after": "x"}',
            )
        assert all(isinstance(one, Segment) for one in room.heard.finals)


@pytest.mark.timeout(200)
async def test_case_17_the_recognizer_stops_reading(livekit: LiveKit, tmp_path: Path) -> None:
    """Four people talk on: each track keeps a bounded stretch of audio, what falls off it is a gap.

    Everything else is written when the recognizer reads again, and the books of all four balance.
    """
    settings = {"LEDGER_SECONDS": "10", "MAX_UTTERANCE_SECONDS": "5", "ANSWER_TIMEOUT": "3"}
    names = ["anna", "ben", "cem", "dana"]
    clips = [marked(tuple(range(100 * number, 100 * number + 40)), 5, 0.6) for number in range(4)]
    async with meeting(livekit, tmp_path, settings=settings) as room:
        people = [await room.join(name) for name in names]
        talk = asyncio.gather(*(room.say_clip(*one) for one in zip(people, clips, strict=True)))
        await recorded(room, lambda record: len(record.words) >= 20, timeout=15)
        for _ in range(14):  # what is open is not read, and nothing is opened
            room.recognizer.set_faults(Faults(stall_seconds=2, refuse_status=503, refuse_seconds=2))
            await asyncio.sleep(1)
        room.recognizer.set_faults(Faults())
        await talk
        last = {clip.words[-1].text for clip in clips}
        record = await recorded(room, lambda record: last <= set(record.words), timeout=40)
        assert check_account(room, record)
        assert {gap.speaker.label for gap in record.breaks} == set(names)
        for person in people:
            await person.leave()
        record = await recorded(room, lambda record: record.ends, timeout=20)
        assert all(sums.balanced and sums.gap > 0 for sums in record.ends[-1].accounting)
