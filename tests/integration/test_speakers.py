"""Speakers and the listener on the real server: what is handed over arrives, when it was said it was."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import numpy as np
import pytest
from livekit import rtc

from agent.core.messages import TOPIC, encode
from agent.core.model import End, Gap, Reason, Segment, Speaker, Turn, Window
from agent.errors import LocalPartError
from local.speakers import (
    MEDIA_PATH_SECONDS,
    Listener,
    RoomSpeaker,
    Spoken,
    listening,
    participant_token,
    resample,
)
from tests.conftest import LiveKit

ANNA = Speaker("anna", "Anna", "interviewer", "interviewer")
RATE = 16_000
BURST_SECONDS = 0.3


def burst() -> np.ndarray:
    """0.3 s of noise between 0 and about 2 kHz: one place only where it fits."""
    noise = np.random.default_rng(7).standard_normal(round(BURST_SECONDS * RATE))
    low = np.convolve(noise, np.hanning(14) / np.hanning(14).sum(), "same")
    return np.asarray(low / np.abs(low).max() * 20_000, dtype=np.int16)


def with_bursts(starts: list[float], seconds: float) -> np.ndarray:
    """Silence with a burst at each of `starts`."""
    pcm = np.zeros(round(seconds * RATE), np.int16)
    for start in starts:
        pcm[round(start * RATE) :][: len(burst())] = burst()
    return pcm


@dataclass
class Ear:
    """A subscriber: everything it got of one track, and when."""

    room: rtc.Room
    walls: list[float] = field(default_factory=list)
    frames: list[np.ndarray] = field(default_factory=list)
    subscribed: asyncio.Queue[rtc.Track] = field(default_factory=asyncio.Queue)

    async def listen(self, track: rtc.Track) -> None:
        stream = rtc.AudioStream(track, sample_rate=RATE, num_channels=1, frame_size_ms=10)
        try:
            async for event in stream:
                self.walls.append(time.time())
                self.frames.append(np.frombuffer(event.frame.data, np.int16).copy())
        finally:
            await stream.aclose()

    def arrival(self, said_at: float) -> float | None:
        """When the burst said at this wall time arrived; None when it did not."""
        first = next((n for n, wall in enumerate(self.walls) if wall > said_at - 0.2), None)
        if first is None:
            return None
        heard = np.concatenate(self.frames[first : first + 120]).astype(float)
        wanted = burst().astype(float)
        if len(heard) < len(wanted):
            return None
        fits = np.correlate(heard, wanted, "valid")
        place = int(np.argmax(fits))
        if fits[place] < 0.3 * float(wanted @ wanted):
            return None
        return self.walls[first + place // len(self.frames[first])]


def token(livekit: LiveKit, room: str, identity: str, *, name: str = "", role: str = "") -> str:
    return participant_token(
        livekit.api_key, livekit.api_secret, room=room, identity=identity, name=name, role=role
    )


@asynccontextmanager
async def ear(livekit: LiveKit, room: str) -> AsyncIterator[Ear]:
    one = Ear(rtc.Room())
    one.room.on("track_subscribed", lambda track, *_: one.subscribed.put_nowait(track))
    await one.room.connect(livekit.url, token(livekit, room, "ear"))
    try:
        yield one
    finally:
        await one.room.disconnect()


@asynccontextmanager
async def heard_by(one: Ear) -> AsyncIterator[None]:
    """Listen to the next track."""
    async with asyncio.timeout(10):
        track = await one.subscribed.get()
    task = asyncio.create_task(one.listen(track))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(holds: Callable[[], object]) -> None:
    """For what LiveKit's SDK changes without telling."""
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


@pytest.mark.parametrize(("rate", "channels"), [(48_000, 1), (16_000, 1), (44_100, 2), (8_000, 1)])
async def test_a_sound_arrives_when_it_was_said(livekit: LiveKit, rate: int, channels: int) -> None:
    """At any rate and number of channels: within 0.1 s of the path's usual time, in order, none missing."""
    room = f"sounds {rate} {channels}"
    starts = [0.5, 1.3, 2.1]
    async with ear(livekit, room) as one, RoomSpeaker(sample_rate=rate, channels=channels) as anna:
        await anna.join(livekit.url, token(livekit, room, "anna"))
        async with heard_by(one):
            await anna.microphone.heard(timeout=10)
            spoken = await anna.say(with_bursts(starts, 2.6), RATE)
            await asyncio.sleep(0.4)  # the path itself
    assert spoken.complete
    assert spoken.seconds == pytest.approx(2.6, abs=0.001)
    arrivals = [one.arrival(spoken.wall_at(start)) for start in starts]
    delays = [
        arrival - spoken.wall_at(start) for arrival, start in zip(arrivals, starts, strict=True) if arrival
    ]
    print(f"{rate} Hz x {channels}: media path {[round(delay, 3) for delay in delays]} s")
    assert len(delays) == 3
    # a busy machine makes it longer by itself; what the test guards is that the times are not invented
    assert all(0 < delay < MEDIA_PATH_SECONDS + 0.1 + spoken.latest_seconds for delay in delays)


async def test_the_microphone_is_live_before_between_and_after_sayings(livekit: LiveKit) -> None:
    """A subscriber gets frames all the time, as from a real microphone."""
    async with ear(livekit, "live") as one, RoomSpeaker() as anna:
        await anna.join(livekit.url, token(livekit, "live", "anna"))
        async with heard_by(one):
            await until(lambda: len(one.frames) > 50)
            count = len(one.frames)
            await anna.say(with_bursts([0.1], 0.5), RATE)
            await until(lambda: len(one.frames) > count + 100)


async def test_muted_speech_does_not_arrive(livekit: LiveKit) -> None:
    """The frames go on, the sound does not; unmuted, it does again."""
    async with ear(livekit, "muted") as one, RoomSpeaker() as anna:
        await anna.join(livekit.url, token(livekit, "muted", "anna"))
        async with heard_by(one):
            await anna.microphone.heard(timeout=10)
            anna.mute()
            secret = await anna.say(with_bursts([0.2], 1.0), RATE)
            anna.unmute()
            public = await anna.say(with_bursts([0.4], 1.0), RATE)
            await asyncio.sleep(0.4)
    assert one.arrival(secret.wall_at(0.2)) is None
    assert one.arrival(public.wall_at(0.4)) is not None


async def test_leaving_cuts_a_saying_off_and_tells_how_far_it_came(livekit: LiveKit) -> None:
    """Somebody who closes the laptop in mid word."""
    async with listening(livekit.url, token(livekit, "cut", "observer")) as heard:
        anna = RoomSpeaker()
        await anna.join(livekit.url, token(livekit, "cut", "anna"))
        saying = asyncio.create_task(anna.say(with_bursts([0.1], 30.0), RATE))
        await asyncio.sleep(1.0)
        await anna.leave()
        spoken: Spoken = await saying
        await until(lambda: not heard.room.remote_participants)
    assert not spoken.complete
    assert 0.2 < spoken.seconds < 3
    assert len(spoken.frame_walls) == round(spoken.seconds * 100)


async def test_a_republished_track_has_a_new_sid_and_is_heard(livekit: LiveKit) -> None:
    """As when a browser switches microphones."""
    async with ear(livekit, "again") as one, RoomSpeaker() as anna:
        await anna.join(livekit.url, token(livekit, "again", "anna"))
        async with heard_by(one):
            first = anna.microphone.sid
        track = await anna.republish()
        assert track.sid != first
        async with heard_by(one):
            await track.heard(timeout=10)
            spoken = await anna.say(with_bursts([0.4], 1.0), RATE)
            await asyncio.sleep(0.4)
        assert one.arrival(spoken.wall_at(0.4)) is not None


async def test_two_tracks_of_one_person_have_their_sources(livekit: LiveKit) -> None:
    """Microphone and the sound of a shared screen."""
    async with ear(livekit, "two tracks") as one, RoomSpeaker() as anna:
        await anna.join(livekit.url, token(livekit, "two tracks", "anna", name="Änna 🎤", role="candidate"))
        await anna.publish("screen_share_audio", channels=2)
        async with asyncio.timeout(10):
            for _ in range(2):
                await one.subscribed.get()
        (person,) = one.room.remote_participants.values()
        sources = {publication.source for publication in person.track_publications.values()}
        assert sources == {rtc.TrackSource.SOURCE_MICROPHONE, rtc.TrackSource.SOURCE_SCREENSHARE_AUDIO}
        assert (person.name, person.metadata) == ("Änna 🎤", '{"role": "candidate"}')


async def test_nothing_runs_after_everybody_left(livekit: LiveKit) -> None:
    """No task of a speaker or a listener outlives it."""
    before = asyncio.all_tasks()
    async with (
        listening(livekit.url, token(livekit, "clean", "observer")),
        RoomSpeaker() as anna,
    ):
        await anna.join(livekit.url, token(livekit, "clean", "anna"))
        await anna.say(with_bursts([0.0], 0.3), RATE)
        await anna.leave()
        await anna.leave()
    await until(lambda: asyncio.all_tasks() <= before)


async def test_a_wrong_token_is_refused_with_a_reason(livekit: LiveKit) -> None:
    """The message names the server."""
    bad = participant_token(livekit.api_key, "x" * 40, room="r", identity="anna")
    async with RoomSpeaker() as anna:
        with pytest.raises(LocalPartError, match=livekit.url):
            await anna.join(livekit.url, bad)


def words_of(count: int) -> str:
    return " ".join(f"word{number}" for number in range(count))


async def send(room: rtc.Room, item: Segment | Window | Gap | End, seq: int | None) -> None:
    for packet in encode(item, room="r", session="RM_x", seq=seq):
        await room.local_participant.publish_data(packet, reliable=seq is not None, topic=TOPIC)


async def test_the_listener_joins_parts_sorts_kinds_and_keeps_strays(livekit: LiveKit) -> None:
    """A large window comes in several packets and is one item; what is no message of ours is kept apart."""
    window = Window(0, 1, 0.0, 20.0, True, (), (Turn(ANNA, 1.0, 19.0, words_of(3_000)),), 3_000, 1)
    final = Segment("s1", 2, True, ANNA, "TR_x", "microphone", 1.0, 2.0, "hello there")
    async with (
        listening(livekit.url, token(livekit, "items", "observer")) as heard,
        RoomSpeaker() as sender,
    ):
        await sender.join(livekit.url, token(livekit, "items", "sender"), publish=False)
        await until(lambda: heard.room.remote_participants)
        await sender.room.local_participant.publish_data(b"\xff no json", topic=TOPIC)
        await sender.room.local_participant.publish_data(b"{}", topic="other")
        await send(sender.room, final, 1)
        await send(sender.room, window, 2)
        await send(sender.room, Gap(ANNA, "TR_x", 3.0, 4.0, Reason.STALLED), 3)
        await send(sender.room, End(1, 2, 1, 1, "a", "b"), 4)
        end = await heard.wait_for(lambda message: isinstance(message.item, End), timeout=10)
    assert heard.finals == [final]
    assert heard.windows == [window]
    assert [gap.reason for gap in heard.gaps] == [Reason.STALLED]
    assert heard.end == end.item
    assert heard.strays == [b"\xff no json"]
    assert [message.envelope.seq for message in heard.messages] == [1, 2, 3, 4]
    assert {message.sender for message in heard.messages} == {"sender"}
    assert len(heard.packets) > 5
    assert all(len(packet) <= 15_000 for packet in heard.packets)
    assert all(message.arrived_at_wall <= time.time() for message in heard.messages)


async def test_the_listener_reads_text_streams(livekit: LiveKit) -> None:
    """With the attributes that LiveKit's own components use."""
    attributes = {"lk.segment_id": "s1", "lk.transcription_final": "true"}
    async with (
        listening(livekit.url, token(livekit, "texts", "observer")) as heard,
        RoomSpeaker() as sender,
    ):
        await sender.join(livekit.url, token(livekit, "texts", "sender"), publish=False)
        await until(lambda: heard.room.remote_participants)
        await sender.room.local_participant.send_text(
            "grüß dich", topic="lk.transcription", attributes=attributes
        )
        await heard.wait_until(lambda: bool(heard.texts), timeout=10)
    (text,) = heard.texts
    assert (text.text, text.sender) == ("grüß dich", "sender")
    assert attributes.items() <= text.attributes.items()


async def test_waiting_in_vain_tells_what_did_come(livekit: LiveKit) -> None:
    """A test that fails should say more than that it waited."""
    async with Listener(rtc.Room()) as heard:
        with pytest.raises(TimeoutError, match="received no message"):
            await heard.wait_until(lambda: False, timeout=0.05)


@pytest.mark.parametrize("to_hz", [8_000, 44_100, 48_000])
def test_resampling_keeps_time(to_hz: int) -> None:
    """A sound stays where it was, to a millisecond, and the length in seconds is kept."""
    pcm = with_bursts([1.0], 2.0)
    there = resample(pcm, RATE, to_hz)
    back = resample(there, to_hz, RATE)
    place = int(np.argmax(np.correlate(back.astype(float), burst().astype(float), "valid")))
    assert abs(place / RATE - 1.0) < 0.001
    assert len(there) / to_hz == pytest.approx(2.0, abs=0.001)
