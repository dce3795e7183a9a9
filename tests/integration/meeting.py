"""A meeting on the real LiveKit server: the transcriber in it, people who speak, and one who listens."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest
from livekit import api, rtc

from agent.core.model import Segment
from agent.rtc.connect import connect, encryption_with
from agent.rtc.silero import SileroModel
from agent.settings import Settings
from agent.store import open_store
from agent.store.protocol import Store
from agent.transcriber import Transcriber
from local.marked_speech import Clip, sentences, synthesize
from local.recognizer.engines.scripted import ScriptedEngine
from local.recognizer.server import RecognizerServer
from local.speakers import Listener, RoomSpeaker, Spoken, listening, participant_token
from tests.conftest import LiveKit

WORD_TIME_TOLERANCE = 0.15
"""Seconds; design section 4."""


@dataclass(slots=True)
class Said:
    """Marked words said into the room: text -> (identity, room time of the start)."""

    words: dict[str, tuple[str, float]] = field(default_factory=dict)
    torn: set[str] = field(default_factory=set)
    """Words in whose sound this process, which was held up, left a hole: nobody can be sure to hear them."""
    publishers: list[str] = field(default_factory=list)
    """How well each saying was published: audio that was held up here is torn for every receiver."""

    def note(self, speaker: RoomSpeaker, clip: Clip, spoken: Spoken) -> None:
        for word in clip.words:
            at = speaker.room_time(spoken.wall_at(word.start))
            self.words[word.text] = (speaker.room.local_participant.identity, at)
            if not spoken.is_whole(word.start, word.end):
                self.torn.add(word.text)
        self.publishers.append(
            f"{speaker.room.local_participant.identity}: latest {spoken.latest_seconds:.3f} s, "
            f"{'whole' if spoken.complete else 'cut off'}"
        )


@dataclass(slots=True)
class Meeting:
    """One running meeting."""

    livekit: LiveKit
    room: str
    recognizer: RecognizerServer
    heard: Listener
    transcriber: Transcriber
    transcriber_room: rtc.Room
    running: asyncio.Task[None]
    store: Store
    said: Said
    transcriber_visible: bool
    stack: AsyncExitStack

    async def join(
        self,
        identity: str,
        *,
        role: str = "",
        name: str = "",
        kind: str = "standard",
        sample_rate: int = 48_000,
        channels: int = 1,
        publish: bool = True,
        until_heard: bool = True,
        e2ee_key: str = "",
    ) -> RoomSpeaker:
        """A person who joins with a live microphone; leaves at the latest when the meeting ends.

        `until_heard`: return only when the transcriber has subscribed to the microphone, else as soon as it
        is published.
        """
        speaker = await self.stack.enter_async_context(
            RoomSpeaker(sample_rate=sample_rate, channels=channels)
        )
        token = participant_token(
            self.livekit.api_key,
            self.livekit.api_secret,
            room=self.room,
            identity=identity,
            role=role,
            name=name,
            kind=kind,
        )
        await speaker.join(self.livekit.url, token, publish=publish, e2ee_key=e2ee_key)
        if not (publish and until_heard):
            await self.eventually(lambda: self._seen(identity, publish))
            return speaker
        if self.transcriber_visible:
            await speaker.microphone.heard(timeout=10)
        else:
            await asyncio.sleep(1.5)  # a hidden subscriber is announced to nobody
        return speaker

    def _seen(self, identity: str, publish: bool) -> bool:
        """True when the observer knows of this person, and of a track if there is to be one."""
        person = self.heard.room.remote_participants.get(identity)
        return person is not None and bool(person.track_publications) >= publish

    async def say(
        self, speaker: RoomSpeaker, numbers: Sequence[int], *, words_per_sentence: int = 5, pause: float = 1.0
    ) -> None:
        """Say marked words in sentences; returns after the last sample."""
        await self.say_clip(speaker, marked(tuple(numbers), words_per_sentence, pause))

    async def say_clip(self, speaker: RoomSpeaker, clip: Clip) -> None:
        """Say a clip that was made before: making one takes time that others would be heard to stutter."""
        self.said.note(speaker, clip, await speaker.say(clip.pcm, 48_000))

    async def all_written(self, timeout: float = 10) -> None:
        """Wait until every word said so far has come back, but for those whose sound was torn here."""
        whole = self.said.words.keys() - self.said.torn
        try:
            await self.heard.wait_until(lambda: whole <= set(written(self.heard.finals)), timeout=timeout)
        except TimeoutError:
            missing = [text for text in self.said.words if text not in written(self.heard.finals)]
            told = [
                f"missing {[(text, self.said.words[text]) for text in missing]}",
                f"of them torn here {sorted(self.said.torn & set(missing))}",
                f"gaps {self.heard.gaps}",
                f"published {self.said.publishers}",
                f"finals {[(one.start, one.end, one.text) for one in self.heard.finals]}",
                f"recognizer {self.stats()}",
            ]
            pytest.fail("\n".join(told))

    def check_words(self, tolerance: float = WORD_TIME_TOLERANCE) -> None:
        """Every word once, under the right speaker, within `tolerance` seconds of the right time."""
        words = [
            (word.text, segment.speaker.identity, word.start)
            for segment in self.heard.finals
            for word in segment.words
        ]
        missing = self.said.words.keys() - {text for text, _, _ in words}
        assert missing <= self.said.torn
        assert sorted(text for text, _, _ in words) == sorted(self.said.words.keys() - missing)
        for text, identity, start in words:
            said_by, said_at = self.said.words[text]
            assert identity == said_by, text
            assert abs(start - said_at) <= tolerance, (text, start - said_at)

    def stats(self) -> dict[str, Any]:
        """What the recognizer has seen."""
        return self.recognizer.counters.as_json()

    async def eventually(self, holds: Callable[[], bool], timeout: float = 10) -> None:
        """Wait for what no message announces, such as the recognizer's counters."""
        async with asyncio.timeout(timeout):
            while not holds():  # noqa: ASYNC110 - there is no event to wait for
                await asyncio.sleep(0.02)

    async def ended(self, timeout: float = 15) -> None:
        """Wait until the transcriber has left."""
        async with asyncio.timeout(timeout):
            await asyncio.shield(self.running)

    async def delete_room(self) -> None:
        async with api.LiveKitAPI(self.livekit.url, self.livekit.api_key, self.livekit.api_secret) as livekit:
            await livekit.room.delete_room(api.DeleteRoomRequest(room=self.room))


@cache
def marked(numbers: tuple[int, ...], words_per_sentence: int = 5, pause: float = 1.0) -> Clip:
    """Marked words in sentences; half a second of silence first, in which the media path settles."""
    plan = sentences(numbers, words_per_sentence=words_per_sentence, pause_seconds=pause, start=0.5)
    return synthesize(plan, sample_rate=48_000, tail_seconds=0.1)


def written(segments: Iterable[Segment]) -> list[str]:
    """The words of segments in order."""
    return [word.text for segment in segments for word in segment.words]


def settings_of(livekit: LiveKit, recognizer: RecognizerServer, folder: Path) -> dict[str, str]:
    """The environment of a transcriber on these parts, with its record and its spool in `folder`."""
    return {
        **livekit.env,
        "ELEVENLABS_API_KEY": "local",
        "ELEVENLABS_BASE_URL": recognizer.base_url,
        "STT_LANGUAGE": "en",
        "DATABASE_URL": f"sqlite:///{folder}/record.db",
        "SPOOL_DIRECTORY": str(folder / "spool"),
    }


@asynccontextmanager
async def meeting(
    livekit: LiveKit,
    folder: Path,
    *,
    room: str = "",
    answer_delay: float = 0.05,
    settings: dict[str, str] | None = None,
    hidden: bool = False,
    transcriber_url: str = "",
) -> AsyncIterator[Meeting]:
    """A room with its transcriber (in this process) and a listener; `settings` come on top of the usual.

    `transcriber_url`: where the transcriber finds the server, if not where the others do.
    """
    room = room or f"meeting {time.monotonic_ns()}"
    async with AsyncExitStack() as stack:
        recognizer = await stack.enter_async_context(RecognizerServer(ScriptedEngine(answer_delay)))
        values = {
            **settings_of(livekit, recognizer, folder),
            **(settings or {}),
        }
        transcriber = Transcriber(Settings.from_env(values), SileroModel())
        rtc_room = rtc.Room()
        token = transcriber_token(livekit, room, hidden=hidden)
        e2ee_key = values.get("E2EE_KEY", "")
        encryption = encryption_with(e2ee_key)
        url = transcriber_url or livekit.url
        running = asyncio.create_task(
            transcriber.run(rtc_room, partial(connect, rtc_room, url, token, encryption=encryption))
        )
        stack.push_async_callback(rtc_room.disconnect)
        stack.push_async_callback(_stop, transcriber, running)
        observer = participant_token(
            livekit.api_key, livekit.api_secret, room=room, identity="observer", name="Observer"
        )
        heard = await stack.enter_async_context(listening(livekit.url, observer, e2ee_key=e2ee_key))
        store = open_store(values["DATABASE_URL"])
        stack.push_async_callback(store.aclose)
        people = await stack.enter_async_context(AsyncExitStack())
        yield Meeting(
            livekit,
            room,
            recognizer,
            heard,
            transcriber,
            rtc_room,
            running,
            store,
            Said(),
            not hidden,
            people,
        )


async def _stop(transcriber: Transcriber, running: asyncio.Task[None]) -> None:
    transcriber.stop("the test is over")
    async with asyncio.timeout(30):
        await running


def transcriber_token(livekit: LiveKit, room: str, *, hidden: bool = False) -> str:
    """The token that a dispatched job would have."""
    return (
        api.AccessToken(livekit.api_key, livekit.api_secret)
        .with_identity("agent-transcriber-test")
        .with_kind("agent")
        .with_grants(
            api.VideoGrants(
                room_join=True,
                room=room,
                agent=True,
                can_publish=False,
                can_subscribe=True,
                can_publish_data=True,
                hidden=hidden,
            )
        )
        .to_jwt()
    )
