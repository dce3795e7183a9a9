"""The service in this process, as an ASGI app over a record in memory; without a LiveKit server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import httpx
import jwt
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


def wrong_credentials() -> dict[str, str]:
    """Headers that are worth nothing."""
    unsigned = jwt.encode({"iss": "APIkey", "exp": 4e9, "video": {"roomJoin": True, "room": "a"}}, "", "none")
    return {
        "nothing": "",
        "another key": "Bearer not-the-key",
        "a piece of the key": f"Bearer {KEY[:-1]}",
        "the key in another scheme": f"Basic {KEY}",
        "no scheme": KEY,
        "an empty token": "Bearer ",
        "half a token": "Bearer eyJhbGciOiJIUzI1NiJ9.e30",
        "no signature": f"Bearer {unsigned}",
        "another secret": "Bearer "
        + api.AccessToken("APIkey", "x" * 40)
        .with_identity("i")
        .with_grants(api.VideoGrants(room="a"))
        .to_jwt(),
        "another issuer": "Bearer "
        + api.AccessToken("APIother", SECRET)
        .with_identity("i")
        .with_grants(api.VideoGrants(room_join=True, room="a"))
        .to_jwt(),
        "expired": "Bearer " + token("a").with_ttl(timedelta(seconds=-1)).to_jwt(),
        "never expires": "Bearer "
        + jwt.encode({"iss": "APIkey", "video": {"roomJoin": True, "room": "a"}}, SECRET, "HS256"),
        "may not join": "Bearer " + token("a", room_join=False).to_jwt(),
        "the server's own": "Bearer " + token("", room_join=None, room_list=True, room_admin=True).to_jwt(),
        "grants that are none": "Bearer "
        + jwt.encode({"iss": "APIkey", "exp": 4e9, "video": "all"}, SECRET, "HS256"),
    }
