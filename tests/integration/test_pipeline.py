"""The library: AudioPipeline with a plain token, and TranscriptBuffer beside it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from agent import AudioPipeline, Transcript, TranscriptBuffer
from local.marked_speech import Clip
from local.recognizer.engines.scripted import ScriptedEngine
from local.recognizer.server import RecognizerServer
from local.speakers import RoomSpeaker, participant_token
from tests.conftest import LiveKit
from tests.integration.meeting import marked, transcriber_token

pytestmark = pytest.mark.live


@pytest.fixture
async def recognizer() -> AsyncIterator[RecognizerServer]:
    async with RecognizerServer(ScriptedEngine(0.05)) as server:
        yield server


def pipeline(livekit: LiveKit, recognizer: RecognizerServer, room: str, token_for: str = "") -> AudioPipeline:
    return AudioPipeline(
        livekit_url=livekit.url,
        livekit_room=room,
        livekit_token=transcriber_token(livekit, token_for or room),
        elevenlabs_api_key="local",
        elevenlabs_base_url=recognizer.base_url,
        language="en",
    )


async def speak(livekit: LiveKit, room: str, clip: Clip) -> None:
    async with RoomSpeaker() as anna:
        token = participant_token(
            livekit.api_key, livekit.api_secret, room=room, identity="anna", role="interviewer"
        )
        await anna.join(livekit.url, token)
        await anna.microphone.heard(timeout=15)
        await anna.say(clip.pcm)


async def test_lines_until_stopped(livekit: LiveKit, recognizer: RecognizerServer) -> None:
    """Interims and finals come with the label and times; `stop` ends the iteration after the last words."""
    clip = marked(tuple(range(10)))
    library = pipeline(livekit, recognizer, "library room")
    lines: list[Transcript] = []
    speaking = asyncio.create_task(speak(livekit, "library room", clip))

    async def read() -> None:
        async for line in library.start_transcription():
            lines.append(line)

    reading = asyncio.create_task(read())
    await speaking
    await library.stop()
    async with asyncio.timeout(20):
        await reading
    finals = [line for line in lines if line.is_final]
    assert [word for line in finals for word in line.text.split()] == [word.text for word in clip.words]
    assert {line.speaker for line in lines} == {"interviewer"}
    assert any(not line.is_final for line in lines)
    assert all(0 < line.start_ms < line.end_ms for line in finals)

    buffer = TranscriptBuffer(window_size_seconds=4.0, overlap_seconds=0.0, min_transcripts_for_evaluation=1)
    windows = [window for line in lines if (window := buffer.add_transcript(line))] + buffer.flush()
    text = "\n".join(window.get_text(include_speakers=True) for window in windows)
    assert text.startswith("interviewer: ")
    assert all(word.text in text for word in clip.words)


async def test_iteration_ends_with_the_room(livekit: LiveKit, recognizer: RecognizerServer) -> None:
    """When the last participant has left and the room closes, the iteration ends by itself."""
    clip = marked((1, 2, 3))
    library = pipeline(livekit, recognizer, "closing room")
    speaking = asyncio.create_task(speak(livekit, "closing room", clip))
    async with asyncio.timeout(40):
        finals = [line.text async for line in library.start_transcription() if line.is_final]
    await speaking
    assert " ".join(finals).split() == [word.text for word in clip.words]


async def test_leaving_the_loop_stops_it(livekit: LiveKit, recognizer: RecognizerServer) -> None:
    """A reader who breaks out of the loop and closes the iterator leaves no transcriber behind."""
    library = pipeline(livekit, recognizer, "left room")
    speaking = asyncio.create_task(speak(livekit, "left room", marked((1, 2, 3))))
    lines = library.start_transcription()
    async with asyncio.timeout(20):
        async for _ in lines:
            break
        await lines.aclose()  # type: ignore[attr-defined]  # an async generator
    await speaking
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "transcriber"]


async def test_token_of_another_room(livekit: LiveKit, recognizer: RecognizerServer) -> None:
    """A token that is for another room is refused by name, not used silently."""
    library = pipeline(livekit, recognizer, "room a", token_for="room b")
    with pytest.raises(ValueError, match="livekit_token is for room 'room b', not 'room a'"):
        async for _ in library.start_transcription():
            pass
