"""The audio of one remote track as frames of the project's one format."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

from livekit import rtc
from livekit.rtc._ffi_client import FfiClient

from agent.core.model import SAMPLE_RATE

log = logging.getLogger(__name__)

FRAME_MS = 50
"""Longer frames cost less; 50 ms is 800 samples, 1,600 bytes."""
QUEUE_FRAMES = 1200
"""A minute. What an event loop that was stuck for longer loses shows up as a stall of the track."""
CLOSE_SECONDS = 2.0


class TrackAudio:
    """Frames (PCM16 mono 16 kHz, 50 ms) of one track, in order, until it ends or `aclose` is called.

    LiveKit resamples and mixes down whatever the publisher sends.
    """

    def __init__(self, track: rtc.RemoteAudioTrack) -> None:
        self._stream = rtc.AudioStream(
            track,
            sample_rate=SAMPLE_RATE,
            num_channels=1,
            frame_size_ms=FRAME_MS,
            capacity=QUEUE_FRAMES,
        )
        self._take_only_its_own_events()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for event in self._stream:
            yield bytes(event.frame.data)
        # The stream stops at the track's end even when frames still wait in its queue: the last words.
        waiting = self._stream._queue._queue
        while waiting:
            left = waiting.popleft()
            if left is not None:
                yield bytes(left.frame.data)

    def _take_only_its_own_events(self) -> None:
        """Be woken for this track's frames alone; LiveKit's stream is woken for those of every track.

        With n tracks in a process that is n wake-ups for every frame.
        """
        stream, events = self._stream, FfiClient.instance.queue
        handle = stream._ffi_handle.handle
        events.unsubscribe(stream._ffi_queue)
        stream._ffi_queue = events.subscribe(
            stream._loop, lambda event: event.audio_stream_event.stream_handle == handle
        )

    async def aclose(self) -> None:
        """Release the native stream; bounded, because the native side is asked to confirm."""
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._stream.aclose()
        except TimeoutError:
            log.warning("audio stream did not close in time", extra={"action": "audio_slow_close"})
