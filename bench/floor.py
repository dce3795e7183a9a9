"""`python -m bench.floor URL TOKEN…`: receives what a transcriber receives, and does nothing with it.

Joins the room of each token, subscribes to every microphone and drains an `AudioStream` of 16 kHz, mono,
50 ms. What this costs is LiveKit's price of a track; all above it is ours. On SIGTERM it tells, as JSON, how
many seconds of audio it got.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys

from livekit import rtc

from agent.rtc.connect import connect

JOINED = "receiving"
"""What it says once it is in its rooms."""


class Floor:
    """Drains every audio track of its rooms."""

    def __init__(self) -> None:
        self.samples = 0
        """Received so far, of all tracks, at 16 kHz."""
        self._drains: set[asyncio.Task[None]] = set()

    async def join(self, url: str, token: str) -> rtc.Room:
        """Enter a room; its audio tracks are drained from now on."""
        room = rtc.Room()
        room.on("track_subscribed", self._on_track)
        await connect(room, url, token, auto_subscribe=True)
        return room

    def _on_track(self, track: rtc.Track, *_: object) -> None:
        if track.kind == rtc.TrackKind.KIND_AUDIO:
            task = asyncio.create_task(self._drain(track), name=f"drain {track.sid}")
            self._drains.add(task)

    async def _drain(self, track: rtc.Track) -> None:
        stream = rtc.AudioStream(track, sample_rate=16_000, num_channels=1, frame_size_ms=50)
        try:
            async for event in stream:
                self.samples += event.frame.samples_per_channel
        finally:
            await stream.aclose()

    async def stop(self) -> None:
        """End every drain."""
        for task in self._drains:
            task.cancel()
        await asyncio.gather(*self._drains, return_exceptions=True)


async def run(url: str, tokens: list[str]) -> None:
    """Receive until SIGTERM."""
    told_to_stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told_to_stop.set)
    floor = Floor()
    rooms = [await floor.join(url, token) for token in tokens]
    print(JOINED, flush=True)
    await told_to_stop.wait()
    print(json.dumps({"received_seconds": floor.samples / 16_000}), flush=True)
    await floor.stop()
    for room in rooms:
        await room.disconnect()


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1], sys.argv[2:]))
