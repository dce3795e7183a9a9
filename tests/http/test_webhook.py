"""LiveKit's signed events (case 14 of the public reports)."""

from __future__ import annotations

import json
import time
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256

import httpx
import jwt
import pytest
from livekit import api

from agent.http.events import REMEMBERED, Seen
from agent.http.limits import MAX_EVENT_BYTES
from agent.http.livekit import LiveKit
from agent.store.memory import MemoryStore
from tests.http.service import SECRET, settings
from token_service import create_app

BODY = rb'{"event":  "participant_left", "id": "EV_1",  "room": {"sid": "RM_1", "name": "Zo\u00eb"}}'
TYPE = {"Content-Type": "application/webhook+json"}


def signed(body: bytes, key: str = "APIkey", secret: str = SECRET, seconds: int = 300) -> dict[str, str]:
    """The headers that LiveKit sends with a body."""
    token = api.AccessToken(key, secret).with_ttl(timedelta(seconds=seconds))
    token.claims.sha256 = b64encode(sha256(body).digest()).decode()
    return {**TYPE, "Authorization": token.to_jwt()}


@asynccontextmanager
async def told(env: dict[str, str] | None = None) -> AsyncIterator[tuple[httpx.AsyncClient, list[str]]]:
    """A client, and the sids of rooms of which supervision was told."""
    chosen = settings(**(env or {}))
    livekit = LiveKit(chosen)
    app = create_app(chosen, livekit, MemoryStore())
    sids: list[str] = []
    app.state.service = replace(app.state.service, on_event=sids.append)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield client, sids
    await livekit.aclose()


async def test_a_signed_event_is_taken_once() -> None:
    """The signature is over the body byte for byte; the same event again is answered and not acted on."""
    async with told() as (client, sids):
        for _ in range(2):
            answer = await client.post("/webhook", content=BODY, headers=signed(BODY))
            assert answer.status_code == 200
        assert sids == ["RM_1"]


@pytest.mark.parametrize(
    "headers",
    [
        signed(BODY.replace(b"  ", b" ")),
        signed(BODY, secret="x" * 40),
        signed(BODY, key="APIother"),
        signed(BODY, seconds=-60),
        TYPE,
        {**TYPE, "Authorization": "Bearer an-api-key-of-the-service"},
        {**TYPE, "Authorization": api.AccessToken("APIkey", SECRET).to_jwt()},
    ],
    ids=["changed", "other secret", "other key", "expired", "none", "our API key", "a token without a hash"],
)
async def test_anything_else_is_refused(headers: dict[str, str]) -> None:
    """401, and nothing is done."""
    async with told() as (client, sids):
        answer = await client.post("/webhook", content=BODY, headers=headers)
        assert (answer.status_code, sids) == (401, [])


def with_metadata(kibibytes: int) -> bytes:
    """An event of a room and a participant that both have so much metadata, as LiveKit's JSON writes it."""
    metadata = '"' * (kibibytes * 1024)
    room = {"sid": "RM_1", "name": "a", "metadata": metadata}
    event = {"event": "participant_joined", "id": "EV_1", "room": room, "participant": {"metadata": metadata}}
    return json.dumps(event).encode()


@pytest.mark.parametrize("kibibytes", [100, 400, 512])
async def test_metadata_as_long_as_livekit_allows(kibibytes: int) -> None:
    """Of the room and of the participant, each sign escaped."""
    body = with_metadata(kibibytes)
    async with told() as (client, sids):
        answer = await client.post("/webhook", content=body, headers=signed(body))
        assert (answer.status_code, sids) == (200, ["RM_1"])


@pytest.mark.parametrize("length_told", [True, False])
async def test_events_are_bounded_all_the_same(length_told: bool) -> None:
    """413, with the limit of this call."""
    body = b" " * (MAX_EVENT_BYTES + 1)

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 65_536):
            yield body[start : start + 65_536]

    async with told() as (client, sids):
        content = body if length_told else pieces()
        answer = await client.post("/webhook", content=content, headers=signed(body))
        assert (answer.status_code, sids) == (413, [])
        assert str(MAX_EVENT_BYTES) in answer.json()["detail"]


def dated(seconds: float, body: bytes = BODY) -> dict[str, str]:
    """The headers from a host whose clock is ahead by `seconds`."""
    now = time.time() + seconds
    claims = {"iss": "APIkey", "iat": int(now), "nbf": int(now), "exp": int(now) + 300}
    claims["sha256"] = b64encode(sha256(body).digest()).decode()  # type: ignore[assignment]
    return {**TYPE, "Authorization": jwt.encode(claims, SECRET, "HS256")}


@pytest.mark.parametrize(
    ("seconds", "status"), [(-200, 200), (1, 200), (30, 200), (59, 200), (65, 401), (600, 401)]
)
async def test_a_server_whose_clock_is_ahead(seconds: float, status: int) -> None:
    """Up to a minute, which LiveKit's own verifiers allow."""
    async with told() as (client, sids):
        answer = await client.post("/webhook", content=BODY, headers=dated(seconds))
        assert (answer.status_code, sids) == (status, ["RM_1"] if status == 200 else [])


async def test_this_machine_may_not_play_livekit() -> None:
    """A service without an API key is open to its machine, but not for events."""
    async with told({"API_KEY": ""}) as (client, sids):
        assert (await client.post("/webhook", content=BODY, headers=TYPE)).status_code == 401
        assert sids == []


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b'{"event": 5}', b"\xff", b"[" * 60_000])
async def test_a_signed_body_that_is_no_event(body: bytes) -> None:
    """422, never a 500."""
    async with told() as (client, sids):
        answer = await client.post("/webhook", content=body, headers=signed(body))
        assert (answer.status_code, sids) == (422, [])


@pytest.mark.parametrize("body", [b'{"event": "participant_left", "room": []}', b'{"event": "room_started"}'])
async def test_an_event_without_a_room_is_worth_a_look(body: bytes) -> None:
    """LiveKit leaves out what it has not; nothing is assumed."""
    async with told() as (client, sids):
        assert (await client.post("/webhook", content=body, headers=signed(body))).status_code == 200
        assert sids == [""]


async def test_other_events_are_answered() -> None:
    """A track or an egress changes nothing for supervision."""
    body = BODY.replace(b"participant_left", b"track_published")
    async with told() as (client, sids):
        assert (await client.post("/webhook", content=body, headers=signed(body))).status_code == 200
        assert sids == []


def test_only_the_last_events_are_remembered() -> None:
    """What is kept is bounded."""
    seen = Seen()
    assert [seen.is_new(f"EV_{number}") for number in range(REMEMBERED + 1)] == [True] * (REMEMBERED + 1)
    assert not seen.is_new(f"EV_{REMEMBERED}")
    assert seen.is_new("EV_0")
