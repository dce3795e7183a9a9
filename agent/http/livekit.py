"""The calls to LiveKit's server API that we make, and what their failures mean."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import aiohttp
from google.protobuf.message import DecodeError
from livekit import api

from agent.errors import LiveKitError
from agent.settings import Settings

T = TypeVar("T")

CALL_SECONDS = 5.0
"""Bound of one attempt; LiveKit Cloud's client tries other regions within `TOTAL_SECONDS`."""
TOTAL_SECONDS = 8.0
EMPTY_SECONDS = 600
"""How long a room waits for its first participant."""

NOT_CONFIGURED = "LiveKit is not configured: set LIVEKIT_URL, LIVEKIT_API_KEY and LIVEKIT_API_SECRET."

_CALLERS_FAULT = {"not_found": 404, "invalid_argument": 422, "out_of_range": 422}
_NO_ANSWER = ("unavailable", "deadline_exceeded", "resource_exhausted")


def is_configured(settings: Settings) -> bool:
    """True when the server's address and key are known."""
    return bool(settings.livekit_url and settings.livekit_api_key and settings.livekit_api_secret)


class LiveKit:
    """One client for the service's life; connects at the first call. All calls raise `LiveKitError`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client: api.LiveKitAPI | None = None

    @property
    def configured(self) -> bool:
        """True when the server's address and key are known."""
        return is_configured(self._settings)

    async def check(self) -> None:
        """Ask the server for something small that needs a valid key."""
        # no room is called so: names hold a character that can be seen
        await self._call(self._api().room.list_rooms(api.ListRoomsRequest(names=[" "])))

    async def create_room(self, name: str, max_participants: int) -> api.Room:
        """A new room, or the one of that name; the transcriber is asked by name when it has one."""
        agent_name = self._settings.agent_name
        agents = [api.RoomAgentDispatch(agent_name=agent_name)] if agent_name else []
        request = api.CreateRoomRequest(
            name=name, max_participants=max_participants, empty_timeout=EMPTY_SECONDS, agents=agents
        )
        return await self._call(self._api().room.create_room(request))

    async def rooms(self, *names: str) -> list[api.Room]:
        """The rooms of these names that live; all when none is given."""
        found = await self._call(self._api().room.list_rooms(api.ListRoomsRequest(names=names)))
        return list(found.rooms)

    async def participants(self, room: str) -> list[api.ParticipantInfo]:
        """Who is in a room. LiveKit answers an unknown room with an empty list, this with status 404."""
        request = api.ListParticipantsRequest(room=room)
        found = await self._call(self._api().room.list_participants(request))
        if not found.participants and not await self.rooms(room):
            raise LiveKitError("No such room.", status=404)
        return list(found.participants)

    async def delete_room(self, room: str) -> None:
        """Close a room and disconnect everyone."""
        await self._call(self._api().room.delete_room(api.DeleteRoomRequest(room=room)))

    async def dispatches(self, room: str) -> list[api.AgentDispatch]:
        """The agents that a room asks for, LiveKit's own asking included."""
        return list(await self._call(self._api().agent_dispatch.list_dispatch(room)))

    async def dispatch(self, agent_name: str, room: str) -> None:
        """Have an agent of this name sent to a room."""
        request = api.CreateAgentDispatchRequest(agent_name=agent_name, room=room)
        await self._call(self._api().agent_dispatch.create_dispatch(request))

    async def aclose(self) -> None:
        """Release connections; safe to call twice."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    def _api(self) -> api.LiveKitAPI:
        if not self.configured:
            raise LiveKitError(NOT_CONFIGURED, status=503)
        if self._client is None:
            timeout = aiohttp.ClientTimeout(total=CALL_SECONDS)
            self._client = api.LiveKitAPI(
                self._settings.livekit_url,
                self._settings.livekit_api_key,
                self._settings.livekit_api_secret,
                timeout=timeout,
            )
        return self._client

    async def _call(self, call: Coroutine[Any, Any, T]) -> T:
        try:
            async with asyncio.timeout(TOTAL_SECONDS):
                return await call
        except api.ServerError as error:
            raise _refused(error) from error
        except DecodeError as error:
            raise LiveKitError("What answers at LIVEKIT_URL is no LiveKit server.", status=502) from error
        except (aiohttp.ClientError, OSError) as error:  # TimeoutError is an OSError
            raise LiveKitError("The LiveKit server cannot be reached.", status=503) from error


def _refused(error: api.ServerError) -> LiveKitError:
    """What LiveKit's own error means for our caller."""
    if error.status in (401, 403):
        return LiveKitError(
            "LiveKit refused this service's key: check LIVEKIT_API_KEY and LIVEKIT_API_SECRET.", status=502
        )
    if error.code == "not_found":
        return LiveKitError("No such room.", status=404)
    said = error.message.removeprefix("twirp error unknown: ")
    status = _CALLERS_FAULT.get(error.code, 503 if error.code in _NO_ANSWER else 502)
    return LiveKitError(f"LiveKit refused the call: {said or error.code}", status=status)
