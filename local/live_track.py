"""One published audio track that behaves like a live microphone: a frame every 10 ms, silence included.

Frames wait `LEAD_SECONDS` in LiveKit's own queue, which sends one every 10 ms by a clock of its own. So a
program that is held up for less (somebody joins, a clip is made) is not heard to stutter, and the time a
frame leaves is known when it is handed over: the queue never runs empty.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from livekit import rtc

Pcm = npt.NDArray[np.int16]
"""Shape (samples,) for mono, (samples, channels) otherwise."""

FRAME_SECONDS: Final = 0.010
LEAD_SECONDS: Final = 0.3
"""From the hand-over of a frame to its being sent."""

HOLE_SECONDS: Final = 0.005
"""A hole this long in its sound tears a word for every receiver."""

QUEUE_MS: Final = 1_000
"""Room in LiveKit's queue: more than ever waits in it, so that handing over never blocks."""

SOURCES: Final = {
    "microphone": rtc.TrackSource.SOURCE_MICROPHONE,
    "screen_share_audio": rtc.TrackSource.SOURCE_SCREENSHARE_AUDIO,
    "unknown": rtc.TrackSource.SOURCE_UNKNOWN,
}


@dataclass(frozen=True, slots=True)
class Spoken:
    """What was sent of one saying, and when."""

    sample_rate: int
    """Hz, of the track."""
    samples: int
    """Sent, per channel; fewer than given when the speaker was cut off."""
    complete: bool
    """False when it was cut off (leave, unpublish, cancelled)."""
    started_at_wall: float
    """Unix time at which sample 0 was sent."""
    frame_walls: Sequence[float]
    """Unix time of the sending of every 10 ms frame; the first one holds sample 0 at its start."""
    latest_seconds: float
    """How late its latest frame was handed over, 0 for in time; more is a hole in the sound."""

    @property
    def seconds(self) -> float:
        """Length of what was sent."""
        return self.samples / self.sample_rate

    def wall_at(self, seconds: float) -> float:
        """Unix time at which the sample `seconds` into the saying was sent."""
        if not self.frame_walls:
            return self.started_at_wall + seconds
        index = min(max(int(seconds / FRAME_SECONDS), 0), len(self.frame_walls) - 1)
        return self.frame_walls[index] + seconds - index * FRAME_SECONDS

    def is_whole(self, start: float, end: float) -> bool:
        """False when the program was held up between these seconds of the saying: their sound has a hole."""
        return self.wall_at(end) - self.wall_at(start) - (end - start) < HOLE_SECONDS


class _Saying:
    """A saying under way: the pump takes frames from it."""

    def __init__(self, pcm: Pcm, sample_rate: int) -> None:
        self.pcm = pcm
        self.sample_rate = sample_rate
        self.position = 0
        self.walls: list[float] = []
        self.latest_seconds = 0.0
        self.over = asyncio.Event()

    def take(self, samples: int, sent_at: float, late_seconds: float) -> Pcm:
        """The next `samples`, to be sent at the Unix time `sent_at`; padded with silence at the end."""
        part = self.pcm[self.position : self.position + samples]
        self.position += len(part)
        self.walls.append(sent_at)
        self.latest_seconds = max(self.latest_seconds, late_seconds)
        if len(part) == samples:
            return part
        rest = np.zeros((samples - len(part), *part.shape[1:]), np.int16)
        return np.concatenate([part, rest])

    def spoken(self, now: float) -> Spoken:
        """What was sent until the Unix time `now`; later frames were taken back."""
        walls = tuple(wall for wall in self.walls if wall < now)
        samples = min(len(walls) * (self.sample_rate // 100), self.position)
        return Spoken(
            sample_rate=self.sample_rate,
            samples=samples,
            complete=samples >= len(self.pcm),
            started_at_wall=walls[0] if walls else now,
            frame_walls=walls,
            latest_seconds=self.latest_seconds,
        )


class LiveTrack:
    """A track in a room; made by `RoomSpeaker.publish`, sends silence until it is given something to say."""

    def __init__(
        self, participant: rtc.LocalParticipant, source: str, sample_rate: int, channels: int, *, dtx: bool
    ) -> None:
        if sample_rate % 100:
            raise ValueError(f"sample_rate must be a multiple of 100 Hz (10 ms frames), got {sample_rate}")
        self.source = source
        self.sample_rate = sample_rate
        self.channels = channels
        self.dtx = dtx
        self.stalls = 0
        """Times the pump was held up longer than `LEAD_SECONDS`; its audio then has a hole in time."""
        self._participant = participant
        self._turn = asyncio.Lock()
        self._saying: _Saying | None = None
        self._pump_task: asyncio.Task[None] | None = None
        self._native: rtc.AudioSource | None = None
        self._track: rtc.LocalAudioTrack | None = None
        self._publication: rtc.LocalTrackPublication | None = None

    @property
    def sid(self) -> str:
        """The sid the server gave; a new one after each `publish`."""
        if self._track is None:
            raise RuntimeError("the track is not published")
        return self._track.sid

    async def publish(self) -> None:
        """Publish (again) and start sending."""
        if self._pump_task is not None:
            raise RuntimeError("the track is published already")
        self._native = rtc.AudioSource(self.sample_rate, self.channels, queue_size_ms=QUEUE_MS)
        self._track = rtc.LocalAudioTrack.create_audio_track(self.source, self._native)
        options = rtc.TrackPublishOptions(source=SOURCES[self.source], dtx=self.dtx)
        self._publication = await self._participant.publish_track(self._track, options)
        self._pump_task = asyncio.create_task(self._pump(self._native), name=f"speak {self._track.sid}")

    async def heard(self, *, timeout: float) -> None:
        """Returns when the first participant has subscribed to it; what is said before that reaches nobody.

        Raises:
            TimeoutError: nobody has within `timeout` seconds.
        """
        if self._publication is None:
            raise RuntimeError("the track is not published")
        async with asyncio.timeout(timeout):
            await self._publication.wait_for_subscription()

    async def say(self, pcm: Pcm | bytes, sample_rate: int | None = None) -> Spoken:
        """Send `pcm` in real time; returns when its last sample was sent, or when cut off.

        `pcm`: int16, mono of any length (copied to all channels) or shape (samples, channels), at
        `sample_rate` Hz (default: the track's; another rate is resampled). Sayings of one track wait in line.
        """
        shaped = await asyncio.to_thread(self._shape, pcm, sample_rate or self.sample_rate)
        async with self._turn:
            if self._pump_task is None:
                raise RuntimeError("the track is not published")
            saying = self._saying = _Saying(shaped, self.sample_rate)
            try:
                await saying.over.wait()
            finally:
                self._saying = None
            return saying.spoken(time.time())

    def under_way(self) -> Spoken | None:
        """What was sent until now of the saying under way; None when nothing is being said."""
        return None if self._saying is None else self._saying.spoken(time.time())

    def mute(self) -> None:
        """Tell the room it is muted; frames go on and arrive as silence."""
        if self._track is not None:
            self._track.mute()

    def unmute(self) -> None:
        """Take back `mute`."""
        if self._track is not None:
            self._track.unmute()

    async def unpublish(self) -> None:
        """Stop sending and take the track out of the room; a saying under way is cut off."""
        track = self._track
        await self.stop()
        if track is not None:
            await self._participant.unpublish_track(track.sid)

    async def stop(self) -> None:
        """End the pump and free the source without a word to the room; safe to call twice."""
        task, native = self._pump_task, self._native
        self._pump_task = self._native = self._track = self._publication = None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        if self._saying is not None:
            self._saying.over.set()
        if native is not None:
            native.clear_queue()
            await native.aclose()

    async def _pump(self, native: rtc.AudioSource) -> None:
        sent_at = time.monotonic() + FRAME_SECONDS  # LiveKit's clock ticks within that
        while True:
            now = time.monotonic()
            late = max(now - sent_at, 0.0)
            if late:
                self.stalls += 1
                sent_at = now
            await native.capture_frame(self._frame(sent_at - now, late))
            sent_at += FRAME_SECONDS
            if (ahead := sent_at - time.monotonic()) > LEAD_SECONDS:
                await asyncio.sleep(ahead - LEAD_SECONDS)
            self._finish_saying()

    def _finish_saying(self) -> None:
        """End the saying under way when its last frame has been sent."""
        saying = self._saying
        if saying and saying.position >= len(saying.pcm) and time.time() > saying.walls[-1] + FRAME_SECONDS:
            saying.over.set()
            self._saying = None

    def _frame(self, ahead_seconds: float, late_seconds: float) -> rtc.AudioFrame:
        samples = self.sample_rate // 100
        saying = self._saying
        if saying is None or saying.position >= len(saying.pcm):
            return rtc.AudioFrame.create(self.sample_rate, self.channels, samples)
        part = saying.take(samples, time.time() + ahead_seconds, late_seconds)
        return rtc.AudioFrame(part.tobytes(), self.sample_rate, self.channels, samples)

    def _shape(self, pcm: Pcm | bytes, sample_rate: int) -> Pcm:
        """`pcm` at the track's rate and number of channels."""
        given = np.frombuffer(pcm, np.int16) if isinstance(pcm, bytes) else pcm
        if sample_rate != self.sample_rate:
            given = resample(given, sample_rate, self.sample_rate)
        if self.channels > 1 and given.ndim == 1:
            given = np.repeat(given[:, None], self.channels, axis=1)
        return np.ascontiguousarray(given)


def resample(pcm: Pcm, from_hz: int, to_hz: int) -> Pcm:
    """All of `pcm` at another rate, the same length in seconds; shape kept.

    By the spectrum of the whole: exact, and without LiveKit's native library, which a program that only
    prepares sound need not load. What is louder than int16 holds is cut.
    """
    if len(pcm) == 0:
        return pcm
    samples = round(len(pcm) * to_hz / from_hz)
    spectrum = np.fft.rfft(pcm.astype(np.float64), axis=0)
    sound = np.fft.irfft(spectrum, n=samples, axis=0) * (samples / len(pcm))
    return np.asarray(np.clip(np.round(sound), -32_768, 32_767), dtype=np.int16)
