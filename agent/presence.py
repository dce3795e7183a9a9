"""One transcriber's place in its room: taking it, showing that it lives, handing it over.

    take_place -> opened -> run: a beat a second -> leave, hand_over -> release

The store is where transcribers of one room learn of each other; who holds its epoch writes, the other leaves.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

from livekit import rtc

from agent.clock import RoomClock
from agent.core.consent import is_consenting
from agent.core.speakers import TRANSCRIBER
from agent.core.succession import Marks
from agent.core.supervision import BEAT_SECONDS, DEAD_SECONDS, Watched
from agent.errors import SessionFenced, StoreError
from agent.recorder import Recorder
from agent.rtc.room import ask_to_leave
from agent.store.supervision import Supervision

log = logging.getLogger(__name__)

TURN_SECONDS = 0.1
"""How often one that waits looks whether its turn has come."""
HAND_OVER_SECONDS = 15.0
"""How long one that leaves waits for its successor."""
PAUSE_SECONDS = 3.0
"""And then, how long for a moment in which nobody speaks."""


class Presence:
    """Of one session; the calls in the order of the picture."""

    def __init__(
        self,
        store: Supervision,
        session: str,
        agent_name: str,
        *,
        room: rtc.Room,
        recorder: Recorder,
        marks: Callable[[], Marks],
        hears: Callable[[], bool],
    ) -> None:
        """`marks`: how far each track has come. `hears`: whether the room is received.

        The recorder's `fenced` is set when another transcriber has taken over.
        """
        self._store = store
        self._session = session
        self._agent_name = agent_name
        self._room = room
        self._recorder = recorder
        self._fenced = recorder.fenced
        self._marks = marks
        self._hears = hears
        self._beating = asyncio.Lock()
        self._released = False
        self._epoch = 0

    def opened(self, epoch: int) -> None:
        """The session is open, and held under `epoch`."""
        self._epoch = epoch

    async def run(self) -> None:
        """Show that the session's holder lives, until cancelled, released or replaced. It must be open."""
        alone_since = asyncio.get_running_loop().time()
        while not (self._released or self._fenced.is_set()):
            now = asyncio.get_running_loop().time()
            async with self._beating:
                if await self._beat():
                    alone_since = now
            if now - alone_since > DEAD_SECONDS and later_transcriber(self._room):
                self._replaced("the store cannot be asked, and another transcriber has come")
            await asyncio.sleep(BEAT_SECONDS)

    async def leave(self) -> None:
        """From now on a successor is wanted, and one that is here already waits for its turn."""
        if not self._epoch:
            return  # the store was away all the time: it knows of no transcriber here
        try:
            await self._store.leave(self._session, self._epoch)
        except SessionFenced:
            self._replaced("another transcriber has taken over")
        except StoreError:
            pass  # it is taken for dead when its beats stay away

    async def hand_over(self, over: Callable[[], bool], pause: Callable[[], bool]) -> None:
        """When some worker can send a successor, stay until it is here and nobody speaks.

        Ends early when it is `over`: the room has closed, or somebody else has taken it.
        """
        try:
            if not await self._store.takers(self._agent_name):
                return
        except StoreError:
            return
        if await self._until(HAND_OVER_SECONDS, over, lambda watched: watched.succeeded):
            log.info("successor is here", extra={"action": "successor_here"})
            await self._until(PAUSE_SECONDS, over, lambda _: pause())
        elif not over():
            log.warning("no successor came in time", extra={"action": "successor_missing"})

    async def release(self, marks: Marks) -> None:
        """Everything is written: a successor may begin."""
        async with self._beating:
            self._released = True
            if self._fenced.is_set() or not self._epoch:
                return
            try:
                await self._store.release(self._session, self._epoch, marks)
            except StoreError as exc:  # it is taken for dead when its beats stay away
                log.warning("the room was not released", extra={"action": "store_away", "error": str(exc)})

    async def _beat(self) -> bool:
        """One sign of life; False when the store did not take it."""
        if self._released or not self._hears():
            return True
        # marks say that all before them is stored: while something waits, those of the last beat stand
        marks = self._marks() if await self._recorder.drain(0) else None
        try:
            await self._store.beat(self._session, self._epoch, marks)
        except SessionFenced:
            self._replaced("another transcriber has taken over")
        except StoreError:
            return False  # the recorder says so
        return True

    def _replaced(self, sentence: str) -> None:
        if not self._fenced.is_set():
            log.warning(sentence, extra={"action": "session_fenced"})
            self._fenced.set()

    async def _until(
        self, seconds: float, over: Callable[[], bool], reached: Callable[[Watched], bool]
    ) -> bool:
        """Wait until `reached`, at most `seconds`; False when that did not happen, or it is `over`."""
        deadline = asyncio.get_running_loop().time() + seconds
        while not over() and asyncio.get_running_loop().time() < deadline:
            if reached(await look(self._store, self._session)):
                return True
            await asyncio.sleep(TURN_SECONDS)
        return False


async def take_place(room: rtc.Room, store: Supervision, session: str, wanted: Callable[[], bool]) -> bool:
    """Wait until nobody transcribes this session; False when somebody does and stays, or it is not `wanted`.

    A transcriber that is in the room and not in the store has it from before a restart of the server.
    """
    if (await look(store, session)).beat_age is None:
        await ask_to_leave(room)
    return await wait_turn(store, session, wanted)


async def wait_turn(store: Supervision, session: str, wanted: Callable[[], bool]) -> bool:
    """Wait until nobody transcribes this session; False when somebody does and stays, or it is not `wanted`.

    A beat may be the last one of somebody who has died since: only a new one says that somebody lives.
    """
    arrived, age = False, float("inf")
    while wanted():
        watched = await look(store, session)
        if not watched.beating:
            return wanted()  # it may have changed while the store was asked
        if watched.served and watched.beat_age is not None:
            if watched.beat_age < age < float("inf"):
                return False
            age = watched.beat_age
        elif not arrived:
            with suppress(StoreError):  # nobody can be told then
                await store.arrive(session)
            arrived = True
        await asyncio.sleep(TURN_SECONDS)
    return False


async def look(store: Supervision, session: str) -> Watched:
    """What the store knows of one session; nothing while it is away."""
    try:
        return (await store.watched([session]))[session]
    except StoreError:
        return Watched()


def present_tracks(room: rtc.Room, clock: RoomClock) -> dict[str, float]:
    """The audio tracks that are to be heard: sid -> room time at which their participants joined."""
    return {
        publication.sid: participant.joined_at.timestamp() - clock.created_at.timestamp()
        for participant in room.remote_participants.values()
        if participant.joined_at is not None and is_consenting(participant.attributes)
        for publication in participant.track_publications.values()
        if publication.kind == rtc.TrackKind.KIND_AUDIO
    }


def later_transcriber(room: rtc.Room) -> bool:
    """True when another transcriber has joined after us; an earlier one may be the ghost of a dead one."""
    since = room.local_participant.joined_at
    return since is not None and any(
        one.identity.startswith(TRANSCRIBER) and one.joined_at is not None and one.joined_at > since
        for one in room.remote_participants.values()
    )
