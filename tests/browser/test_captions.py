"""examples/captions in a real Chromium: LiveKit's own hook shows what our worker writes."""

from __future__ import annotations

import asyncio
import re
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from livekit import rtc
from playwright.async_api import Page, expect

from agent.core.model import Segment, Speaker
from agent.core.speakers import Speakers
from agent.rtc.connect import connect
from agent.sinks.protocol import Outgoing
from agent.sinks.text_stream import TextStreamSink
from local.ports import free_port
from local.speakers import RoomSpeaker, participant_token
from tests.browser.needs import npm
from tests.conftest import LiveKit
from tests.integration.meeting import marked
from tests.integration.workers import crew

pytestmark = [pytest.mark.browser, pytest.mark.live, pytest.mark.timeout(120)]

WORDS = tuple(range(5))
marked(WORDS)  # made now: it takes time that others would be heard to stutter


@pytest.fixture
async def site(captions_folder: Path) -> AsyncIterator[str]:
    """Address of the example, started as its readers start it, but on a port of its own."""
    command = [str(npm()), "start", "--", f"--serve=127.0.0.1:{free_port()}"]
    process = await asyncio.create_subprocess_exec(
        *command, cwd=captions_folder, stdin=PIPE, stdout=PIPE, stderr=STDOUT
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        async with asyncio.timeout(30):
            address = None
            while address is None:
                line = (await process.stdout.readline()).decode()
                assert line, "it ended"
                address = re.search(r"http://127\.0\.0\.1:\d+", line)
        yield address[0]
    finally:
        process.stdin.close()  # which ends esbuild
        async with asyncio.timeout(10):
            await process.wait()


async def test_a_sentence_appears_with_its_speaker_s_name(
    livekit: LiveKit, page: Page, site: str, tmp_path: Path
) -> None:
    """One line an utterance, under the name that the speaker has in the room."""
    async with crew(livekit, tmp_path, "captions room") as here:
        await here.worker()
        await page.goto(f"{site}/#url={livekit.url}&token={here.token('reader')}")
        async with RoomSpeaker() as anna:
            token = participant_token(
                livekit.api_key, livekit.api_secret, room=here.room, identity="anna", name="Anna Sol"
            )
            await anna.join(livekit.url, token)
            await anna.microphone.heard(timeout=20)
            clip = marked(WORDS)
            said = " ".join(word.text for word in clip.words)
            await anna.say(clip.pcm, 48_000)
            lines = page.get_by_role("log").get_by_role("paragraph")
            await expect(lines).to_have_text([f"Anna Sol {said}"], timeout=15_000)
            await expect(lines).to_have_class(["final"], timeout=5_000)


async def test_two_people_of_one_name_have_a_label_each(livekit: LiveKit, page: Page, site: str) -> None:
    """The page shows the transcript's labels, not the participants' names."""

    def token(identity: str, name: str = "") -> str:
        return participant_token(
            livekit.api_key, livekit.api_secret, room="two alexes", identity=identity, name=name
        )

    transcriber = rtc.Room()
    await connect(transcriber, livekit.url, token("agent-transcriber-1"))
    try:
        sink = TextStreamSink(transcriber, "RM_1")
        await page.goto(f"{site}/#url={livekit.url}&token={token('reader')}")
        await expect(page.get_by_role("status")).to_have_count(0, timeout=15_000)  # connected
        speakers = Speakers()
        async with RoomSpeaker() as one, RoomSpeaker() as other:
            for number, person in enumerate((one, other)):
                await person.join(livekit.url, token(f"user-{number}", "Alex"), publish=False)
                speaker = speakers.speaker(f"user-{number}", "Alex")
                said = Segment(f"s{number}", 1, True, speaker, "TR_1", "", 1.0, 2.0, "hello", ())
                await sink.send(Outgoing(said, None))
            lines = page.get_by_role("log").get_by_role("paragraph")
            await expect(lines).to_have_text(["Alex hello", "Alex 2 hello"], timeout=15_000)
    finally:
        await transcriber.disconnect()


async def test_a_line_that_was_taken_back_is_gone(livekit: LiveKit, page: Page, site: str) -> None:
    """An interim of what turned out to be nothing does not stay on the screen."""

    def token(identity: str) -> str:
        return participant_token(livekit.api_key, livekit.api_secret, room="taken back", identity=identity)

    room = rtc.Room()
    await connect(room, livekit.url, token("agent-transcriber-1"))
    try:
        sink = TextStreamSink(room, "RM_1")
        await page.goto(f"{site}/#url={livekit.url}&token={token('reader')}")
        lines = page.get_by_role("log").get_by_role("paragraph")
        await expect(page.get_by_role("status")).to_have_count(0, timeout=15_000)  # connected
        for final, revision, text in ((False, 1, "hel"), (True, 2, "")):
            one = Segment("s1", revision, final, Speaker("agent-transcriber-1"), "", "", 1.0, 2.0, text, ())
            await sink.send(Outgoing(one, None))
            await expect(lines).to_have_count(1 - final)
    finally:
        await room.disconnect()
