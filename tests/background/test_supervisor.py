"""Decisions of the supervisor while something takes long, in virtual time (else: tests/integration)."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from livekit import api

from agent.errors import StoreError
from agent.settings import Settings
from agent.store.memory import MemoryStore
from agent.supervise import Supervisor
from tests.contract.record import STARTED
from tests.session.virtual_time import in_virtual_time

AGENT = "ours"


class _SlowLiveKit:
    """It takes some seconds to say which rooms there are."""

    def __init__(self, seconds: float, *rooms: api.Room) -> None:
        self._seconds = seconds
        self._rooms = rooms
        self.dispatched: list[str] = []

    async def rooms(self) -> list[api.Room]:
        await asyncio.sleep(self._seconds)
        return list(self._rooms)

    async def participants(self, _room: str) -> list[api.ParticipantInfo]:
        return [api.ParticipantInfo(identity="ann")]

    async def dispatches(self, _room: str) -> list[api.AgentDispatch]:
        return [api.AgentDispatch(agent_name=AGENT)]

    async def dispatch(self, _agent_name: str, room: str) -> None:
        self.dispatched.append(room)


def _supervisor(livekit: _SlowLiveKit) -> Supervisor:
    return Supervisor(Settings.from_env({"AGENT_NAME": AGENT}), cast(Any, livekit))


async def _abandoned(store: MemoryStore) -> None:
    """A session whose transcriber died a minute ago."""
    opened = await store.open_session("a", "RM_1", STARTED)
    await store.beat("RM_1", opened.epoch, None)
    await asyncio.sleep(60.0)


@in_virtual_time
async def test_who_lost_the_lead_meanwhile_does_not_act() -> None:
    """LiveKit answers when the lease has run out and another supervisor leads."""
    store = MemoryStore()
    await _abandoned(store)
    slow = asyncio.create_task(_supervisor(_SlowLiveKit(4.0))._look(store))
    await asyncio.sleep(3.5)
    assert (await store.check_in("another", AGENT, takes_jobs=True, may_lead=True)).leads
    await slow
    assert await store.end_of("RM_1") is None


@in_virtual_time
async def test_a_slow_livekit_takes_the_lead_from_nobody() -> None:
    """Who leads and is not relieved acts, however long the answer took."""
    store = MemoryStore()
    await _abandoned(store)
    await _supervisor(_SlowLiveKit(4.0))._look(store)
    assert await store.end_of("RM_1") is not None


class _CallsFail(MemoryStore):
    """Takes no call."""

    async def call(self, session: str, stamp: int, calls: int) -> bool:
        raise StoreError("away")


@in_virtual_time
async def test_a_store_that_goes_away_between_two_questions() -> None:
    """The supervisor is held up, and goes on: no fault of it."""
    store, livekit = _CallsFail(), _SlowLiveKit(0.0, api.Room(name="a", sid="RM_1"))
    await store.check_in("worker", AGENT, takes_jobs=True, may_lead=False)
    supervisor = _supervisor(livekit)
    await supervisor._try(store)
    assert supervisor.is_held_up
    assert livekit.dispatched == []
