"""The audio of one remote track as frames of the project's one format."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

from livekit import rtc
from livekit.rtc._ffi_client import FfiClient
from livekit.rtc._proto import ffi_pb2, stats_pb2

from agent.core.model import SAMPLE_RATE
from agent.core.reception import Arrivals

log = logging.getLogger(__name__)

FRAME_MS = 50
"""Longer frames cost less; 50 ms is 800 samples, 1,600 bytes."""
QUEUE_FRAMES = 1200
"""A minute. What an event loop that was stuck for longer loses shows up as a stall of the track."""
CLOSE_SECONDS = 2.0
REPORT_SECONDS = 1.0
"""How long LiveKit may take to tell a track's counters; it takes a millisecond."""
CLOCK_RATE = 48_000
"""Hz, of the samples that WebRTC counts."""


class TrackAudio:
    """Frames (PCM16 mono 16 kHz, 50 ms) of one track, in order, until it ends or `aclose` is called.

    LiveKit resamples and mixes down whatever the publisher sends.
    """

    def __init__(self, track: rtc.RemoteAudioTrack) -> None:
        self._track = track
        self._stream: rtc.AudioStream | None = None
        self._source: int | None = None
        """SSRC of the track's packets."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        # opened here, in the track's own task: LiveKit raises AssertionError when the track is gone already
        stream = self._stream = rtc.AudioStream(
            self._track,
            sample_rate=SAMPLE_RATE,
            num_channels=1,
            frame_size_ms=FRAME_MS,
            capacity=QUEUE_FRAMES,
        )
        _take_only_its_own_events(stream)
        async for event in stream:
            if self._source is None and (report := await self._report()) is not None:
                self._source = report.stream.ssrc
            yield bytes(event.frame.data)
        # The stream stops at the track's end even when frames still wait in its queue: the last words.
        waiting = stream._queue._queue
        while waiting:
            left = waiting.popleft()
            if left is not None:
                yield bytes(left.frame.data)

    async def arrivals(self) -> Arrivals | None:
        """What has arrived of the track so far; None when LiveKit does not tell (the track is over)."""
        report = await self._report()
        return None if report is None or self._is_foreign(report) else _arrivals(report)

    async def is_over(self) -> bool:
        """True when what comes from now on is another track's, perhaps another person's.

        LiveKit gives the receiver of a track that has ended to the next one, and our stream hangs on it.
        """
        report = await self._report()
        return report is not None and self._is_foreign(report)

    def _is_foreign(self, report: stats_pb2.RtcStats.InboundRtp) -> bool:
        return self._source not in (None, report.stream.ssrc)

    async def _report(self) -> stats_pb2.RtcStats.InboundRtp | None:
        request = ffi_pb2.FfiRequest()
        request.get_stats.track_handle = self._track._ffi_handle.handle
        events = FfiClient.instance.queue
        queue = events.subscribe(filter_fn=lambda event: event.WhichOneof("message") == "get_stats")
        try:
            number = FfiClient.instance.request(request).get_stats.async_id
            async with asyncio.timeout(REPORT_SECONDS):
                reply = await queue.wait_for(lambda event: event.get_stats.async_id == number)
        except (AssertionError, TimeoutError):  # the former: LiveKit has given the track up already
            return None
        finally:
            events.unsubscribe(queue)
        for report in reply.get_stats.stats:
            if report.WhichOneof("stats") == "inbound_rtp":
                inbound: stats_pb2.RtcStats.InboundRtp = report.inbound_rtp
                return inbound
        return None

    async def aclose(self) -> None:
        """Release the native stream; bounded, because the native side is asked to confirm.

        The room lets go of the track, too. LiveKit sees to that when it learns of the track's end before that
        of its publication; else (one in about two thousand) the room would keep it until its own end.
        """
        self._track._set_room(None)
        if self._stream is None:
            return
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._stream.aclose()
        except TimeoutError:
            log.warning("audio stream did not close in time", extra={"action": "audio_slow_close"})
        except AssertionError:  # LiveKit has released it already
            return


def _arrivals(report: stats_pb2.RtcStats.InboundRtp) -> Arrivals:
    asked_at_ms = report.rtc.timestamp / 1000
    return Arrivals(
        packets=report.received.packets_received,
        concealed_seconds=report.inbound.concealed_samples / CLOCK_RATE,
        concealments=report.inbound.concealment_events,
        lost=report.received.packets_lost,
        emitted_seconds=report.inbound.jitter_buffer_emitted_count / CLOCK_RATE,
        buffered_seconds=report.inbound.jitter_buffer_delay / CLOCK_RATE,
        last_packet_seconds=max(asked_at_ms - report.inbound.last_packet_received_timestamp, 0.0) / 1000,
    )


def _take_only_its_own_events(stream: rtc.AudioStream) -> None:
    """Be woken for this track's frames alone; LiveKit's stream is woken for those of every track.

    With n tracks in a process that is n wake-ups for every frame.
    """
    events, handle = FfiClient.instance.queue, stream._ffi_handle.handle
    events.unsubscribe(stream._ffi_queue)
    stream._ffi_queue = events.subscribe(
        stream._loop, lambda event: event.audio_stream_event.stream_handle == handle
    )
