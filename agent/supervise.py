"""Which live rooms have lost their transcriber, or never had one; calls them a new one.

Runs beside every worker and every token service. A lease in the store lets one of them act at a time, and
each call is claimed there, so that no room is called for twice. A look costs one call to LiveKit and one
query; only rooms without a transcriber are asked about further. Who is dead is told by the heartbeats in the
store (`agent.presence`): LiveKit keeps a dead job's participant for 20 s, and its dispatch for good.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Sequence, Set
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from livekit import api

from agent.closing import close_session
from agent.core.supervision import BEAT_SECONDS, DEAD_SECONDS, Watched, needs_call
from agent.errors import LiveKitError, SessionFenced, StoreError
from agent.http.livekit import LiveKit
from agent.settings import Settings
from agent.store import open_store
from agent.store.memory import MemoryStore
from agent.store.protocol import Store
from agent.store.supervision import LEASE_SECONDS, Abandoned, Duty

log = logging.getLogger(__name__)

POLL_SECONDS = 1.0
GATHER_SECONDS = 0.2
"""Events come in groups: one look is enough for those of so long."""
SLOW_SECONDS = 1.0
"""A store that takes so long was away for the transcribers, too."""
SETTLE_SECONDS = DEAD_SECONDS + 2.0 * BEAT_SECONDS
"""After the store was away: so long for all who live to say so."""
AWAY_SECONDS = 5.0
"""One that does not reach LiveKit leaves the lead to others for so long."""
EMPTY_SECONDS = 2.0
"""A room without people is looked at again after so long."""
STRANGE_SECONDS = 10.0
"""A room that does not ask for our transcriber is looked at again after so long."""
CLOCK_SECONDS = 5.0
"""By so much our clock and the LiveKit server's may differ."""
AT_ONCE = 16
"""Rooms asked about in one look; the others have their turn in the next ones."""
NOTE_SECONDS = 2.0
"""How long a job may be held up by noting it in the store."""
LEAVE_SECONDS = 1.0
CLOSE_SECONDS = 10.0
"""How often sessions are looked for that nobody has ended."""
SILENT_SECONDS = 30.0
"""Of a transcriber of whom nothing was heard for so long, and whose room is gone, nothing will be heard."""
RECENT_SECONDS = 5.0
"""A room that was there at a look this long ago is gone now; after a longer pause it went at that look."""
REMEMBERED = timedelta(hours=1)
"""For so long it is known when a room was seen to be gone."""
NOT_PEOPLE = (api.ParticipantInfo.Kind.AGENT, api.ParticipantInfo.Kind.EGRESS)


class Supervisor:
    """Of one process; `run` until cancelled."""

    def __init__(self, settings: Settings, livekit: LiveKit) -> None:
        """`livekit` is closed by whoever made it."""
        self._settings = settings
        self._livekit = livekit
        self._name = f"{socket.gethostname()} {os.getpid()} {uuid4().hex[:8]}"
        self._store: Store | None = None
        self._takes_jobs = False
        self._wake = asyncio.Event()
        self._first_seen: dict[str, float] = {}
        self._look_again: dict[str, float] = {}
        self._live: Set[str] = frozenset()
        self._gone: dict[str, datetime] = {}
        self._looked_at = datetime.min.replace(tzinfo=UTC)
        self._close_at = 0.0
        self._act_from = 0.0
        self._trouble = ""
        self._troubled = False
        """Something was wrong in the current look."""

    @property
    def is_held_up(self) -> bool:
        """True while the database or LiveKit does not answer."""
        return bool(self._trouble)

    def take_jobs(self) -> None:
        """From now on this process's worker can be given jobs."""
        self._takes_jobs = True
        self._wake.set()

    def look_now(self, session: str) -> None:
        """Something has happened in a room: do not wait for the next look."""
        self._look_again.pop(session, None)
        self._wake.set()

    async def stop_taking(self) -> None:
        """Say so at once: the jobs of this worker look whether another one can follow them."""
        self._takes_jobs = False
        if self._store is None:
            return
        try:
            await self._check_in(self._store)
        except StoreError as exc:
            self._note_trouble(exc)

    async def announce(self, session: str) -> None:
        """This process's worker has been given a job for a session."""
        if self._store is None:
            return
        try:
            async with asyncio.timeout(NOTE_SECONDS):
                await self._store.announce(session)
        except (StoreError, TimeoutError) as exc:
            self._note_trouble(exc)

    async def run(self) -> None:
        """Look about once a second."""
        # loading the database's library takes half a second
        store = await asyncio.to_thread(open_store, self._settings.database_url)
        if isinstance(store, MemoryStore):
            log.info(
                "rooms are not supervised: no other process sees this store",
                extra={"action": "rooms_unsupervised"},
            )
            return
        self._store = store
        try:
            while True:
                self._wake.clear()
                pause = await self._try(store)
                try:
                    async with asyncio.timeout(pause):
                        await self._wake.wait()
                except TimeoutError:
                    continue
                await asyncio.sleep(GATHER_SECONDS)
        finally:
            self._store = None
            await self._check_out(store)
            await store.aclose()

    async def _try(self, store: Store) -> float:
        """One look; seconds until the next."""
        try:
            await self._look(store)
        except LiveKitError as exc:
            self._note_trouble(exc)
            await self._check_out(store)  # another supervisor may reach it
            return AWAY_SECONDS
        except StoreError as exc:
            self._store_away(exc)
        else:
            if not self._troubled:
                self._trouble = ""
        return POLL_SECONDS

    def _store_away(self, exc: StoreError) -> None:
        self._note_trouble(exc)
        self._act_from = asyncio.get_running_loop().time() + SETTLE_SECONDS

    async def _check_in(self, store: Store) -> Duty:
        return await store.check_in(
            self._name,
            self._settings.agent_name,
            takes_jobs=self._takes_jobs,
            may_lead=self._settings.supervise,
        )

    async def _check_out(self, store: Store) -> None:
        """Let another lead now; when that cannot be said in time, its lease runs out."""
        try:
            async with asyncio.timeout(LEAVE_SECONDS):
                await store.check_out(self._name)
        except (StoreError, TimeoutError) as exc:
            self._note_trouble(exc)

    async def _look(self, store: Store) -> None:
        """Check in, and if it is ours to act, see to every room."""
        self._troubled = False
        began = asyncio.get_running_loop().time()
        duty = await self._check_in(store)
        now = asyncio.get_running_loop().time()
        if now - began > SLOW_SECONDS:
            self._act_from = now + SETTLE_SECONDS
        if not duty.leads or now < self._act_from:
            return
        rooms = await self._livekit.rooms()
        if asyncio.get_running_loop().time() - now > LEASE_SECONDS:
            duty = await self._check_in(store)
            if not duty.leads:
                return
        await self._close_gone(store, {room.sid for room in rooms})
        if not duty.takers:
            return
        states = await store.watched([room.sid for room in rooms])
        due = self._due(rooms, states)
        async with asyncio.TaskGroup() as group:
            for room in due[:AT_ONCE]:
                group.create_task(self._see_to(store, room, states[room.sid]), name="see to a room")

    async def _close_gone(self, store: Store, live: Set[str]) -> None:
        """Close sessions whose transcriber died and whose room is gone: nobody else can end them."""
        now = datetime.now(UTC)
        recent = (now - self._looked_at).total_seconds() < RECENT_SECONDS
        for sid in self._live - live:
            self._gone[sid] = now if recent else self._looked_at
        self._live, self._looked_at = live, now
        self._gone = {sid: at for sid, at in self._gone.items() if now - at < REMEMBERED}
        loop_time = asyncio.get_running_loop().time()
        if loop_time < self._close_at:
            return
        self._close_at = loop_time + CLOSE_SECONDS
        for left in await store.abandoned(SILENT_SECONDS):
            if left.session not in live:
                gone = self._gone.get(left.session) or _last_sign(left, now)
                try:
                    await close_session(store, self._settings, left, gone)
                except SessionFenced:
                    continue  # a transcriber has it after all
                extra = {"action": "session_closed", "room": left.room, "session": left.session}
                log.warning("a session that nobody ended was closed", extra=extra)

    def _due(self, rooms: Sequence[api.Room], states: dict[str, Watched]) -> list[api.Room]:
        """Rooms that may need a call, those that were not looked at for longest first."""
        now = asyncio.get_running_loop().time()
        self._first_seen = {room.sid: self._first_seen.get(room.sid, now) for room in rooms}
        self._look_again = {sid: at for sid, at in self._look_again.items() if sid in self._first_seen}
        due = [
            room
            for room in rooms
            if self._look_again.get(room.sid, 0.0) <= now
            and needs_call(states[room.sid], self._age(room, now))
        ]
        return sorted(due, key=lambda room: self._look_again.get(room.sid, 0.0))

    def _age(self, room: api.Room, now: float) -> float:
        """Seconds for which a room has been there at least."""
        created = datetime.fromtimestamp(room.creation_time, UTC)
        by_the_date = (datetime.now(UTC) - created).total_seconds() - CLOCK_SECONDS
        return max(now - self._first_seen[room.sid], by_the_date)

    async def _see_to(self, store: Store, room: api.Room, watched: Watched) -> None:
        """Call a transcriber if there are people, and if the room asks for ours."""
        agent_name = self._settings.agent_name
        again = EMPTY_SECONDS
        try:
            people = [
                one for one in await self._livekit.participants(room.name) if one.kind not in NOT_PEOPLE
            ]
            if people:
                again = STRANGE_SECONDS
                asked = [one.agent_name for one in await self._livekit.dispatches(room.name)]
                if agent_name in asked:
                    again = 0.0
                    if await store.call(room.sid, watched.call_stamp, watched.tries + 1):
                        await self._livekit.dispatch(agent_name, room.name)
                        log.info(
                            "transcriber called",
                            extra={
                                "action": "transcriber_called",
                                "room": room.name,
                                "session": room.sid,
                                "calls": watched.tries + 1,
                            },
                        )
        except LiveKitError as exc:
            self._note_trouble(exc)
        except StoreError as exc:
            self._store_away(exc)
        self._look_again[room.sid] = asyncio.get_running_loop().time() + again

    def _note_trouble(self, exc: Exception) -> None:
        """One line for each change of what is wrong."""
        self._troubled = True
        trouble = str(exc) or type(exc).__name__
        if trouble != self._trouble:
            self._trouble = trouble
            log.warning("supervision is held up", extra={"action": "supervision_held_up", "error": trouble})


def _last_sign(left: Abandoned, now: datetime) -> datetime:
    """When a session was known to live last, if nobody saw its room go: no process may have run for days."""
    if left.silent_seconds is None:
        return datetime.fromisoformat(left.started_at)
    return now - timedelta(seconds=left.silent_seconds)
