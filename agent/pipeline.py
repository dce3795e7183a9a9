"""AudioPipeline: the worker's own transcriber joined with a plain token, for programs that run no worker."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass

from livekit import rtc

from agent.core.model import Segment, Word
from agent.rtc.connect import connect as join_room
from agent.rtc.connect import encryption_with
from agent.rtc.silero import load_model
from agent.settings import Settings
from agent.sinks.protocol import Outgoing
from agent.transcriber import Transcriber

log = logging.getLogger(__name__)

MAX_WAITING = 10_000
"""Lines that wait for a slow reader; beyond it the oldest is dropped, and a log line says so."""


@dataclass(frozen=True, slots=True)
class Transcript:
    """One line: what somebody says, so far (interim) or for good (final)."""

    speaker: str
    """Label, unique in the session."""
    text: str
    """Empty only in a final that takes its interims back."""
    start_ms: int
    """Room time, milliseconds."""
    end_ms: int
    """Room time, milliseconds."""
    is_final: bool
    segment_id: str
    """The same from the first interim to the final."""
    words: tuple[Word, ...]
    """Room time, seconds; empty in interims."""


class AudioPipeline:
    """Transcribes one LiveKit room.

        pipeline = AudioPipeline(livekit_url=…, livekit_room=…, livekit_token=…, elevenlabs_api_key=…)
        async for transcript in pipeline.start_transcription():
            print(transcript.speaker, transcript.text)

    The token needs the right to join, subscribe and publish data: the `agent_token` of `POST /rooms/create`.
    """

    def __init__(
        self,
        *,
        livekit_url: str,
        livekit_room: str,
        livekit_token: str,
        elevenlabs_api_key: str,
        language: str = "",
        elevenlabs_base_url: str = "",
        database_url: str = "memory:",
        e2ee_key: str = "",
    ) -> None:
        """`language` is an ISO 639 code, empty to let the recognizer detect it.

        `e2ee_key` is the shared key of an end-to-end encrypted room.

        Without a `database_url` the record is kept in memory and ends with the pipeline.

        Raises:
            SettingsError: a value is malformed; the message names it.
        """
        values = {
            "LIVEKIT_URL": livekit_url,
            "ELEVENLABS_API_KEY": elevenlabs_api_key,
            "STT_LANGUAGE": language,
            "ELEVENLABS_BASE_URL": elevenlabs_base_url,
            "DATABASE_URL": database_url,
            "E2EE_KEY": e2ee_key,
        }
        self._settings = Settings.from_env({name: value for name, value in values.items() if value})
        self._room_name = livekit_room
        self._token = livekit_token
        self._sink = _LineSink()
        self._transcriber: Transcriber | None = None

    async def start_transcription(self) -> AsyncIterator[Transcript]:
        """Join the room and yield lines until the room closes or `stop` is called, the last words included.

        Raises:
            livekit.rtc.ConnectError: the room could not be joined with this token.
            TimeoutError: it was not joined in time.
            ValueError: the token is for another room than `livekit_room`.
            RoomEventsLost: more happened in the room than could be handled; what was said so far was yielded.
        """
        room = rtc.Room()
        self._transcriber = Transcriber(self._settings, load_model(), [self._sink])

        async def connect() -> None:
            settings = self._settings
            encryption = encryption_with(settings.e2ee_key)
            await join_room(room, settings.livekit_url, self._token, encryption=encryption)
            if room.name != self._room_name:
                raise ValueError(f"livekit_token is for room {room.name!r}, not {self._room_name!r}")

        running = asyncio.create_task(self._transcriber.run(room, connect), name="transcriber")
        running.add_done_callback(lambda _: self._sink.end())
        try:
            async for line in self._sink.lines():
                yield line
        finally:
            self._transcriber.stop("the pipeline was stopped")
            try:
                await running
            finally:
                await room.disconnect()

    async def stop(self) -> None:
        """End the transcription; the iteration ends after the last words. Safe to call twice."""
        if self._transcriber is not None:
            self._transcriber.stop("the pipeline was stopped")


class _LineSink:
    """Hands segments to one reader."""

    name = "pipeline"

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Transcript | None] = asyncio.Queue()

    async def send(self, outgoing: Outgoing) -> None:
        segment = outgoing.item
        if not isinstance(segment, Segment):
            return
        if self._queue.qsize() >= MAX_WAITING:
            self._queue.get_nowait()
            log.warning("reader is too slow, oldest line dropped", extra={"action": "sink_overflow"})
        self._queue.put_nowait(
            Transcript(
                speaker=segment.speaker.label,
                text=segment.text,
                start_ms=round(segment.start * 1000),
                end_ms=round(segment.end * 1000),
                is_final=segment.final,
                segment_id=segment.segment_id,
                words=segment.words,
            )
        )

    def end(self) -> None:
        self._queue.put_nowait(None)

    async def lines(self) -> AsyncIterator[Transcript]:
        while (line := await self._queue.get()) is not None:
            yield line
