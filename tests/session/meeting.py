"""A whole session on fakes: the real conductor, tracks, recorder and presence, in a room a test plays."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from livekit import rtc

from agent.clock import Joining, RoomClock
from agent.core.model import End, Gap, Item, Segment, Status
from agent.rtc.room import RoomEvents
from agent.session import Session
from agent.settings import Settings
from agent.sinks.protocol import Outgoing
from agent.store.memory import MemoryStore
from tests.session.fakes import (
    SID,
    FakeAudio,
    FakeModel,
    FakeParticipant,
    FakePublication,
    FakeRecognizer,
    FakeRoom,
)
from tests.session.virtual_time import until

END_SECONDS = 120.0
"""How long a session may take to end, in virtual time."""


def clock_of(room: FakeRoom) -> RoomClock:
    """The clock of somebody who joins at this moment."""
    now = asyncio.get_running_loop().time()
    return RoomClock(room.creation_time, room.date(), Joining(now, now))


class Shown:
    """A sink that keeps what it gets."""

    name = "shown"

    def __init__(self) -> None:
        self.items: list[Item] = []

    async def send(self, outgoing: Outgoing) -> None:
        self.items.append(outgoing.item)


@dataclass
class Meeting:
    """One session that runs, and what comes of it."""

    room: FakeRoom
    session: Session
    events: RoomEvents
    store: MemoryStore
    recognizer: FakeRecognizer
    shown: Shown = field(default_factory=Shown)
    running: asyncio.Task[None] = field(init=False)

    @property
    def texts(self) -> list[str]:
        """Finals in the order in which they were shown."""
        return [one.text for one in self.shown.items if isinstance(one, Segment) and one.final]

    @property
    def gaps(self) -> list[Gap]:
        return [one for one in self.shown.items if isinstance(one, Gap)]

    @property
    def statuses(self) -> list[Status]:
        return [one for one in self.shown.items if isinstance(one, Status)]

    @property
    def ends(self) -> list[End]:
        return [one for one in self.shown.items if isinstance(one, End)]

    def session_time(self) -> float:
        """Room time."""
        return (self.room.date() - self.room.creation_time).total_seconds()

    async def joined(self, identity: str, **facts: Any) -> tuple[FakeParticipant, FakePublication]:
        """Somebody comes, offers audio, and is received."""
        person = self.room.join(identity, **facts)
        publication = self.room.publish(person)
        await until(lambda: publication.track is not None and publication.track.readers == 1)
        return person, publication

    async def said(self, publication: FakePublication, *numbers: int) -> None:
        """Somebody says words, and they are shown."""
        assert publication.track is not None
        publication.track.say(*numbers)
        text = " ".join(f"w{number}" for number in numbers)
        await until(lambda: text in self.texts)


@asynccontextmanager
async def meeting(
    folder: Path,
    *,
    room: FakeRoom | None = None,
    store: MemoryStore | None = None,
    sinks: tuple[Any, ...] = (),
    room_sinks: tuple[Callable[[rtc.Room, str], Any], ...] = (),
    begun: bool = True,
    **settings: str,
) -> AsyncIterator[Meeting]:
    """A session in a room; it is stopped at the end of the block, and what it raises is raised there.

    `room_sinks` are made with the room. `begun`: the block begins when the session does.
    """
    values = Settings.from_env({"DATABASE_URL": "memory:", "SPOOL_DIRECTORY": str(folder), **settings})
    room = room or FakeRoom()
    events = RoomEvents(
        cast(rtc.Room, room), exclude_kinds=values.exclude_kinds, exclude_sources=values.exclude_sources
    )
    store, recognizer = store or MemoryStore(), FakeRecognizer()
    session = Session(
        cast(rtc.Room, room),
        events,
        values,
        model=cast(Any, FakeModel()),
        recognizer=recognizer,
        store=store,
        clock=clock_of(room),
        audio=FakeAudio,
    )
    show = Meeting(room, session, events, store, recognizer)
    made = [make(cast(rtc.Room, room), SID) for make in room_sinks]
    show.running = asyncio.create_task(session.run([show.shown, *sinks, *made], SID), name="session")
    try:
        if begun:
            await until(lambda: bool(show.statuses) or show.running.done())
        yield show
    finally:
        session.stop("the test is over")
        await asyncio.wait([show.running], timeout=END_SECONDS)
        show.running.cancel()
    await show.running
