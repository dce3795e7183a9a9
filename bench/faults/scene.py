"""One row: a meeting of two who talk, a listener, a fault, and what became of every word."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from livekit import api

from agent.core.model import End, Segment
from agent.errors import LocalPartError
from bench.faults.cast import CastVoice
from bench.faults.orders import Link, VoicePlan
from bench.faults.row import Fault
from bench.faults.site import Behind, Site
from bench.rooms import make_rooms
from bench.words import SaidWord, normalized
from local.listener import Listener
from local.speakers import listening, participant_token

EDGE_SECONDS: Final = 0.15
"""A word that ends so shortly before its speaker is cut off may still be on its way out."""
MID_WORD_SECONDS: Final = 0.2
"""After a microphone is back, so long until a word that begins then is sent whole."""
POLL_SECONDS: Final = 0.1
AFTER_SECONDS: Final = 3.0
"""Talk goes on for so long after the recovery."""
FIRST_TEXT_SECONDS: Final = 20.0
CLOSE_SECONDS: Final = 75.0
"""A session whose transcriber died with the room is closed by a supervisor after some 40 s."""
WORDS_A_VOICE: Final = 512
"""A second process of the same identity says other words."""


@dataclass(frozen=True, slots=True)
class Part:
    """Who talks."""

    identity: str
    role: str
    first_word: int
    """Number of its first marked word."""
    offset_seconds: float
    """When its first sentence begins."""


CAST: Final = (Part("anna", "interviewer", 0, 0.0), Part("ben", "candidate", 2048, 1.7))


@dataclass(frozen=True, slots=True)
class Excused:
    """A time in which a voice could not be heard by anybody: what it said then was not said in the room."""

    identity: str
    start: float
    end: float


@dataclass(slots=True)
class Scene:
    """`async with Scene(site, fault, room, folder) as scene:` has everybody in the room, in silence."""

    site: Site
    fault: Fault
    room: str
    folder: Path
    voices: dict[str, CastVoice] = field(default_factory=dict)
    gone: list[CastVoice] = field(default_factory=list)
    """Voices whose place was taken by another process of the same identity."""
    excused: list[Excused] = field(default_factory=list)
    sids: set[str] = field(default_factory=set)
    """Lives of the room."""
    _listener: Listener | None = None
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            self._stack = stack
            if self.fault.worker_first:
                await make_rooms(self.site.livekit, [self.room])
            for part in CAST:
                await self.new_voice(part.identity)
            self._listener = await stack.enter_async_context(
                listening(self.site.livekit.url, self.token("observer"))
            )
            for voice in self.voices.values():
                await voice.order("join")
            self.sids.add(await self._listener.room.sid)
            if self.fault.worker_first:
                for voice in self.voices.values():
                    await voice.order("heard")
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    @property
    def vanished(self) -> set[str]:
        """Identities whose process was killed, or whose client gave up, and who are not back."""
        cut_off = {name for name, voice in self.voices.items() if voice.links and not voice.links[-1].up}
        return {voice.plan.identity for voice in self.gone} - self.voices.keys() | cut_off

    @property
    def listener(self) -> Listener:
        """Somebody in the room who says nothing."""
        assert self._listener is not None
        return self._listener

    def token(self, identity: str, role: str = "") -> str:
        """A token for this room."""
        livekit = self.site.livekit
        return participant_token(
            livekit.api_key, livekit.api_secret, room=self.room, identity=identity, role=role
        )

    async def new_voice(self, identity: str) -> CastVoice:
        """The process of a participant, not joined yet; an earlier one of that name is kept among `gone`."""
        part = next(one for one in CAST if one.identity == identity)
        earlier = self.voices.pop(identity, None)
        if earlier is not None:
            self.gone.append(earlier)
        replaced = sum(one.plan.identity == identity for one in self.gone)
        plan = VoicePlan(
            identity=identity,
            url=self.site.seen_from(Behind.VOICES, self.site.livekit.url),
            token=self.token(identity, part.role),
            socket=str(self.folder / f"{identity}-{len(self.gone)}"),
            first_word=part.first_word + WORDS_A_VOICE * replaced,
            offset_seconds=part.offset_seconds if earlier is None else 0.0,
            talk_seconds=self.fault.talk_seconds,
        )
        far = self.site.far_for(Behind.VOICES)
        voice = await self._stack.enter_async_context(CastVoice(plan, self.folder, far))
        self.voices[identity] = voice
        return voice

    # ---- what goes on

    async def talk(self) -> None:
        """Everybody begins to talk."""
        for voice in self.voices.values():
            await voice.order("talk")

    async def hush(self) -> None:
        """Everybody finishes the sentence and is silent."""
        for voice in self.voices.values():
            await voice.order("hush")

    async def first_text(self, seconds: float = FIRST_TEXT_SECONDS) -> None:
        """Text of everybody has come: all works.

        Raises:
            LocalPartError: it has not.
        """

        def all_read() -> bool:
            return set(self.voices) <= {final.speaker.identity for final in self.listener.finals}

        await self.until(all_read, seconds, "text of everybody before the fault")

    async def until(self, holds: Callable[[], bool], seconds: float, what: str) -> None:
        """Look again and again.

        Raises:
            LocalPartError: not within `seconds`.
        """
        give_up = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > give_up:
                raise LocalPartError(f"no {what} within {seconds:g} s")
            await asyncio.sleep(POLL_SECONDS)

    def excuse(self, identity: str, start: float, end: float) -> None:
        """Whatever this voice said in that time, the room could not hear."""
        self.excused.append(Excused(identity, start, end))

    async def recovery(self, over: float) -> float | None:
        """Seconds from `over` to the first text of a word that was begun after it; None when none came."""
        give_up = time.monotonic() + self.fault.patience_seconds
        while time.monotonic() < give_up:
            arrived = self._first_text_after(over)
            if arrived is not None:
                return max(0.0, arrived - over)
            await asyncio.sleep(POLL_SECONDS)
        return None

    def _first_text_after(self, over: float) -> float | None:
        fresh = {word.text for word in self.words() if word.start >= over}
        for message in self.listener.messages:
            item, arrived = message.item, message.arrived_at_wall
            if arrived >= over and isinstance(item, Segment) and fresh & set(normalized(item.text)):
                return arrived
        return None

    def lives(self) -> set[str]:
        """The sids under which the room has lived so far."""
        self.sids |= {message.envelope.session for message in self.listener.messages}
        return self.sids

    async def everybody_leaves(self) -> bool:
        """The end of the meeting; True when every life of the room was closed in the store."""
        for voice in (*self.voices.values(), *self.gone):
            await voice.bye()
        give_up = time.monotonic() + CLOSE_SECONDS
        while time.monotonic() < give_up:
            if await self._closed():
                return await self._end_received()
            await asyncio.sleep(POLL_SECONDS)
        return False

    async def _closed(self) -> bool:
        infos = [await self.site.store.find_session(self.room, sid) for sid in self.lives()]
        return any(infos) and all(info is None or info.ended_at is not None for info in infos)

    async def _end_received(self) -> bool:
        give_up = time.monotonic() + 5
        while time.monotonic() < give_up:
            if any(isinstance(message.item, End) for message in self.listener.messages):
                break
            await asyncio.sleep(POLL_SECONDS)
        return True

    async def live_room(self) -> api.Room | None:
        """What LiveKit says of the room now."""
        livekit = self.site.livekit
        async with api.LiveKitAPI(livekit.url, livekit.api_key, livekit.api_secret) as lk:
            found = await lk.room.list_rooms(api.ListRoomsRequest(names=[self.room]))
        return next(iter(found.rooms), None)

    # ---- what was said

    def words(self) -> list[SaidWord]:
        """Said to the end, in the hearing of the room."""
        return [word for word, whole in self._told() if whole]

    def torn_words(self) -> list[SaidWord]:
        """Cut off, or said while nobody could hear: may be written or not."""
        return [word for word, whole in self._told() if not whole]

    def _told(self) -> Iterable[tuple[SaidWord, bool]]:
        for voice in (*self.voices.values(), *self.gone):
            identity = voice.plan.identity
            times = [(one.start, one.end) for one in self.excused if one.identity == identity]
            times += [] if self.fault.down_is_missing else down(voice.links)
            for say in voice.said:
                heard = not any(say.end > start - EDGE_SECONDS and say.start < end for start, end in times)
                yield SaidWord(say.text, identity, say.start, say.end, 0), say.whole and heard


def down(links: Sequence[Link]) -> list[tuple[float, float]]:
    """When a voice had no connection of its own."""
    spans: list[tuple[float, float]] = []
    since: float | None = None
    for link in links:
        if not link.up and since is None:
            since = link.at
        elif link.up and since is not None:
            spans.append((since, link.at + MID_WORD_SECONDS))
            since = None
    return spans if since is None else [*spans, (since, float("inf"))]
