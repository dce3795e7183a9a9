"""Rooms made before anybody joins, each with its transcriber.

LiveKit offers a room to the workers once, when it is made. A worker may just then say it is full, because
the speakers are starting; so the rooms are made while the machine is quiet, and a room that nobody took is
offered again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from livekit import api

from agent.errors import LocalPartError
from local.livekit.server import LiveKitServer

TAKEN_SECONDS = 60.0
ASK_AGAIN_SECONDS = 5.0
POLL_SECONDS = 0.2


async def make_rooms(livekit: LiveKitServer, names: Sequence[str]) -> None:
    """Make the rooms, and return when each has an agent in it.

    Raises:
        LocalPartError: no agent came within a minute, though asked for again and again.
    """
    async with api.LiveKitAPI(livekit.url, livekit.api_key, livekit.api_secret) as lk:
        for name in names:
            await lk.room.create_room(api.CreateRoomRequest(name=name))
        missing = list(names)
        began = asked = time.monotonic()
        while missing := [name for name in missing if not await _has_agent(lk, name)]:
            now = time.monotonic()
            if now - began > TAKEN_SECONDS:
                raise LocalPartError(
                    f"no worker took {', '.join(missing)} within {TAKEN_SECONDS:g} s; is the machine busy?"
                )
            if now - asked > ASK_AGAIN_SECONDS:
                asked = now
                for name in missing:
                    await lk.agent_dispatch.create_dispatch(api.CreateAgentDispatchRequest(room=name))
            await asyncio.sleep(POLL_SECONDS)


async def _has_agent(lk: api.LiveKitAPI, name: str) -> bool:
    people = await lk.room.list_participants(api.ListParticipantsRequest(room=name))
    return any(
        one.kind == api.ParticipantInfo.Kind.AGENT and one.state == api.ParticipantInfo.State.ACTIVE
        for one in people.participants
    )
