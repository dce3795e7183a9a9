"""Known audio, published into a room in real time as a participant would, and what comes back.

    token = participant_token(key, secret, room="interview 1", identity="anna", role="interviewer")
    async with RoomSpeaker() as anna, listening(url, observer_token) as heard:
        await anna.join(url, token)
        await anna.microphone.heard(timeout=10)           # the transcriber has subscribed
        spoken = await anna.say(pcm)                      # 48 kHz mono int16; returns after the last sample
        said_at = anna.room_time(spoken.wall_at(0.35))    # room time of the sound 0.35 s into it
        await heard.wait_until(lambda: len(heard.finals) == 1, timeout=10)

Room time is wall time less the room's creation time, as the worker computes it. From the sending of a
sample to the same sample in a subscriber's 16 kHz `AudioStream` on one idle machine: MEDIA_PATH_SECONDS.
"""

from __future__ import annotations

import asyncio
import datetime
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Final, Self

from livekit import api, rtc

from agent.errors import LocalPartError
from agent.rtc.connect import connect, encryption_with
from local.listener import Listener, Received, ReceivedText
from local.live_track import LiveTrack, Pcm, Spoken, resample

__all__ = [
    "Listener",
    "LiveTrack",
    "Received",
    "ReceivedText",
    "RoomSpeaker",
    "Spoken",
    "listening",
    "participant_token",
    "resample",
]

MEDIA_PATH_SECONDS: Final = 0.05
"""Measured (tests/integration/test_speakers.py prints it): 0.037 to the arrival of a 10 ms frame, 0.05 by
the receiver's count of samples from its first frame."""

LEAVE_SECONDS: Final = 5.0


def participant_token(
    api_key: str,
    api_secret: str,
    *,
    room: str,
    identity: str,
    name: str = "",
    role: str = "",
    attributes: Mapping[str, str] | None = None,
    kind: str = "standard",
) -> str:
    """A LiveKit token for one participant of `room`, valid 2 h; `role` goes into the metadata.

    `kind`: standard, agent, egress, ingress or sip: what the participant says it is.
    """
    token = (
        api.AccessToken(api_key, api_secret)
        .with_identity(identity)
        .with_name(name)
        .with_ttl(datetime.timedelta(hours=2))
        .with_grants(api.VideoGrants(room_join=True, room=room, agent=kind == "agent"))
    )
    if role:
        token = token.with_metadata(json.dumps({"role": role}))
    if attributes:
        token = token.with_attributes(dict(attributes))
    if kind != "standard":
        token = token.with_kind(kind)  # type: ignore[arg-type]  # a Literal over there, checked by the server
    return token.to_jwt()


async def _join(room: rtc.Room, url: str, token: str, *, subscribe: bool, e2ee_key: str) -> None:
    try:
        await connect(room, url, token, auto_subscribe=subscribe, encryption=encryption_with(e2ee_key))
    except (rtc.ConnectError, TimeoutError) as error:
        raise LocalPartError(
            f"could not join a room at {url}: {error or 'no answer'}; is it the server that the token is for?"
        ) from error


async def _disconnect(room: rtc.Room) -> None:
    async with asyncio.timeout(LEAVE_SECONDS):
        await room.disconnect()


class RoomSpeaker:
    """A participant with a microphone, and more tracks if asked.

    `dtx` is what browsers do: next to nothing is sent in silence. It costs sound: after silence the encoder
    swallows the start of speech now and then (measured with marked words: 6 of 480 sentences lost their first
    word on the way, none of 480 without it). So it is off where words are counted.
    """

    def __init__(self, *, sample_rate: int = 48_000, channels: int = 1, dtx: bool = False) -> None:
        self.room = rtc.Room()
        """Connected after `join`; for handlers and calls that this class has no name for."""
        self._sample_rate = sample_rate
        self._channels = channels
        self._dtx = dtx
        self._tracks: dict[str, LiveTrack] = {}
        self._created_at_wall = 0.0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.leave()

    async def join(
        self, url: str, token: str, *, publish: bool = True, subscribe: bool = False, e2ee_key: str = ""
    ) -> None:
        """Connect, and publish the microphone unless told not to. Subscribes to no media by default.

        With `e2ee_key` all that is published is end-to-end encrypted with this shared key.

        Raises:
            LocalPartError: no connection within 15 s, or refused.
        """
        await _join(self.room, url, token, subscribe=subscribe, e2ee_key=e2ee_key)
        self._created_at_wall = self.room.creation_time.timestamp()
        if publish:
            await self.publish("microphone")

    async def publish(
        self, source: str = "microphone", *, sample_rate: int | None = None, channels: int | None = None
    ) -> LiveTrack:
        """Publish a track of `source` (microphone, screen_share_audio, unknown), once for each source."""
        if source in self._tracks:
            raise RuntimeError(f"{source} is published already; use republish")
        track = LiveTrack(
            self.room.local_participant,
            source,
            sample_rate or self._sample_rate,
            channels or self._channels,
            dtx=self._dtx,
        )
        await track.publish()
        self._tracks[source] = track
        return track

    @property
    def microphone(self) -> LiveTrack:
        """The microphone's track; KeyError when it is not published."""
        return self._tracks["microphone"]

    @property
    def created_at_wall(self) -> float:
        """Unix time of the room's creation: room time zero; stays when the server is started again."""
        return self._created_at_wall

    def room_time(self, wall: float) -> float:
        """Room time, seconds, of a Unix time."""
        return wall - self.created_at_wall

    async def say(self, pcm: Pcm | bytes, sample_rate: int | None = None) -> Spoken:
        """`LiveTrack.say` on the microphone."""
        return await self.microphone.say(pcm, sample_rate)

    def mute(self) -> None:
        """Mute the microphone; what is said meanwhile arrives as silence."""
        self.microphone.mute()

    def unmute(self) -> None:
        """Take back `mute`."""
        self.microphone.unmute()

    async def unpublish(self, source: str = "microphone") -> None:
        """Take the track out of the room; what it is saying is cut off."""
        await self._tracks.pop(source).unpublish()

    async def republish(self, source: str = "microphone") -> LiveTrack:
        """Unpublish, then publish a new track of the same kind: a new sid."""
        old = self._tracks[source]
        await self.unpublish(source)
        return await self.publish(source, sample_rate=old.sample_rate, channels=old.channels)

    async def leave(self) -> None:
        """Stop in mid word if need be and disconnect; safe to call twice; joining again takes a new one."""
        tracks, self._tracks = list(self._tracks.values()), {}
        for track in tracks:
            await track.stop()
        await _disconnect(self.room)


@asynccontextmanager
async def listening(url: str, token: str, *, e2ee_key: str = "") -> AsyncIterator[Listener]:
    """Join as a participant that publishes nothing, and collect what the transcriber sends.

    Messages that are end-to-end encrypted can be read with `e2ee_key` alone.
    """
    room = rtc.Room()
    async with Listener(room) as listener:
        try:
            await _join(room, url, token, subscribe=False, e2ee_key=e2ee_key)
            yield listener
        finally:
            await _disconnect(room)
