"""Joins one room and transcribes it until its end: what the worker's job and the library share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from time import monotonic

from livekit import rtc

from agent.clock import Joining, RoomClock
from agent.core.model import Item
from agent.errors import SessionErased
from agent.logs import bind_log_fields
from agent.rtc.connect import CONNECT_SECONDS
from agent.rtc.room import RoomEvents
from agent.rtc.silero import SileroModel
from agent.session import Session
from agent.settings import Settings
from agent.sinks.history import History, ReadItems
from agent.sinks.protocol import Sink
from agent.sinks.registry import ROOM_SINKS
from agent.store import open_store
from agent.store.protocol import Reader, Store
from agent.stt.protocol import Recognizer
from agent.stt.registry import create_recognizer


class Transcriber:
    """One room's transcriber: `run` once, `stop` from anywhere in the same event loop."""

    def __init__(self, settings: Settings, model: SileroModel, extra_sinks: Sequence[Sink] = ()) -> None:
        """`extra_sinks` get the same items as the room's own sinks."""
        self._settings = settings
        self._model = model
        self._extra_sinks = extra_sinks
        self._session: Session | None = None
        self._stop_reason = ""
        self._hands_over = False
        self.joined = asyncio.Event()
        """Set once the room is connected, or never will be."""

    def stop(self, reason: str, *, hand_over: bool = False) -> None:
        """Leave after the last words; `run` returns when that is done. Safe to call at any time.

        `hand_over`: have another worker's transcriber called first, and wait for it for a while.
        """
        if not self._stop_reason:  # the first call decides
            self._stop_reason, self._hands_over = reason, hand_over
        if self._session is not None:
            self._session.stop(reason, hand_over=hand_over)

    async def run(self, room: rtc.Room, connect: Callable[[], Awaitable[None]]) -> None:
        """Connect `room` (not connected yet) with `connect` and transcribe it until its end or `stop`.

        Subscribes to audio by itself, so `connect` must not. Leaves the room connected.

        Raises:
            TimeoutError: the room was not joined in time.
        """
        async with AsyncExitStack() as stack:
            stack.callback(self.joined.set)
            events, store, recognizer = self._acquire(stack, room)
            asked = monotonic()
            async with asyncio.timeout(CONNECT_SECONDS):
                await connect()
                connected = monotonic()
                sid = await room.sid
            bind_log_fields(room=room.name, session=sid)
            self.joined.set()
            joining = Joining(asked, connected, tls=self._settings.livekit_url.startswith("wss:"))
            self._session = Session(
                room,
                events,
                self._settings,
                model=self._model,
                recognizer=recognizer,
                store=store,
                clock=RoomClock(room.creation_time, room.local_participant.joined_at, joining),
            )
            if self._stop_reason:
                self._session.stop(self._stop_reason, hand_over=self._hands_over)
            history = History(room, sid, reader_of(store, room.name, sid))
            stack.callback(history.close)
            sinks = [make(room, sid) for make in ROOM_SINKS]
            await self._session.run([*sinks, *self._extra_sinks], sid)

    def _acquire(self, stack: AsyncExitStack, room: rtc.Room) -> tuple[RoomEvents, Store, Recognizer]:
        """What a session needs. Each part is released with `stack`, also when the next one cannot be had."""
        settings = self._settings
        events = RoomEvents(
            room,
            exclude_kinds=settings.exclude_kinds,
            exclude_sources=settings.exclude_sources,
            has_key=bool(settings.e2ee_key),
        )
        stack.callback(events.close)
        store = open_store(settings.database_url)
        stack.push_async_callback(store.aclose)
        recognizer = create_recognizer(settings)
        stack.push_async_callback(recognizer.aclose)
        return events, store, recognizer


def reader_of(store: Reader, room: str, sid: str) -> ReadItems:
    """What the room may ask of its session."""

    async def read(after: int, limit: int) -> tuple[list[tuple[int, Item]], int]:
        items = await store.items(sid, after, limit + 1)
        if not items and any(life.erased_at for life in (await store.lives(room, sid))[:1]):
            raise SessionErased(f"session {sid!r} was erased")
        last = items[-1].seq if items else after
        return [(one.seq, one.item) for one in items[:limit]], last

    return read
