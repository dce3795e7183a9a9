"""The service in this process, as an ASGI app over a record in memory; without a LiveKit server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from livekit import api

from agent.http.grants import Role, mint
from agent.http.livekit import LiveKit
from agent.settings import Settings
from agent.store.memory import MemoryStore
from agent.store.protocol import Record
from token_service import create_app

KEY = "an-api-key-of-the-service"
SECRET = "a-secret-of-more-than-thirty-two-characters"
LIVEKIT = {"LIVEKIT_URL": "ws://127.0.0.1:9", "LIVEKIT_API_KEY": "APIkey", "LIVEKIT_API_SECRET": SECRET}
"""A server that is not there."""


def settings(**env: str) -> Settings:
    """With a key and a LiveKit server that is away, unless told otherwise."""
    return Settings.from_env({**LIVEKIT, "API_KEY": KEY, **env})


@asynccontextmanager
async def calling(
    store: Record | None = None, *, credential: str | None = KEY, host: str = "localhost", **env: str
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the service; `credential` is sent with every call."""
    chosen = settings(**env)
    livekit = LiveKit(chosen)
    app = create_app(chosen, livekit, store or MemoryStore())
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    headers = {"Authorization": f"Bearer {credential}"} if credential else {}
    async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}", headers=headers) as client:
        yield client
    await livekit.aclose()


def bearer(token: str) -> dict[str, str]:
    """The header."""
    return {"Authorization": f"Bearer {token}"}


def participant(room: str) -> str:
    """A token as the service gives it to a participant."""
    return mint(settings(), room=room, identity="anna", name="Anna", role=Role.CANDIDATE)


def token(room: str = "a", **grants: object) -> api.AccessToken:
    """A token to be made wrong."""
    video = api.VideoGrants(room_join=True, room=room)
    for name, value in grants.items():
        setattr(video, name, value)
    return api.AccessToken("APIkey", SECRET).with_identity("anna").with_grants(video)
