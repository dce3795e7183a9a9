"""Who may call what, for every route; and that a refusal tells nothing (case 13 of the public reports)."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.routing import APIRoute

from agent.core.exports import FORMATS
from agent.http.auth import (
    RULES,
    anyone,
    key_holder,
    listener_of_room,
    livekit_itself,
    reader_of_room,
)
from agent.http.livekit import LiveKit
from agent.store.memory import MemoryStore
from agent.store.protocol import Stored
from tests.conftest import ROOT
from tests.contract.record import STARTED, segment
from tests.http.attempts import made
from tests.http.service import bearer, calling, participant, settings, wrong_credentials
from token_service import create_app

FRAMEWORK = {"/openapi.json"}
"""FastAPI's own: it documents the service and tells nothing of a room."""

ALLOWED: dict[tuple[str, str], Any] = {
    ("GET", "/"): anyone,
    ("GET", "/health"): anyone,
    ("GET", "/docs"): anyone,
    ("GET", "/docs/{name}"): anyone,
    ("GET", "/metrics"): key_holder,
    ("POST", "/rooms/create"): key_holder,
    ("GET", "/rooms"): key_holder,
    ("GET", "/rooms/{name:room}/participants"): key_holder,
    ("DELETE", "/rooms/{name:room}"): key_holder,
    ("DELETE", "/rooms/{name:room}/transcript"): key_holder,
    ("POST", "/tokens/generate"): key_holder,
    ("GET", "/rooms/{name:room}/transcript"): reader_of_room,
    ("GET", "/rooms/{name:room}/windows"): reader_of_room,
    ("GET", "/transcripts"): key_holder,
    ("GET", "/rooms/{name:room}/status"): reader_of_room,
    ("GET", "/rooms/{name:room}/analytics"): reader_of_room,
    ("GET", "/rooms/{name:room}/stream"): listener_of_room,
    ("POST", "/webhook"): livekit_itself,
}
"""Who may make each call. A new route is added here on purpose, and to the table of docs/security.md."""

WHO = {
    anyone: "anyone",
    key_holder: "key",
    reader_of_room: "key, participant",
    listener_of_room: "key, participant",
    livekit_itself: "LiveKit",
}
"""The rules as docs/security.md names them."""


def routes() -> list[APIRoute]:
    """Every route of the service."""
    app = create_app(settings(), LiveKit(settings()), MemoryStore())
    return list(_below(app.routes))


def _below(found: Any) -> Iterator[APIRoute]:
    for one in found:
        if isinstance(one, APIRoute):
            yield one
        elif inner := getattr(getattr(one, "original_router", None), "routes", None):
            yield from _below(inner)
        else:
            assert one.path in FRAMEWORK, f"{one.path} is no route with a rule"


def rules(route: APIRoute) -> list[Any]:
    """The rules a route depends on."""
    return [one.call for one in route.dependant.dependencies if one.call in RULES]


def test_every_route_has_the_rule_it_is_to_have() -> None:
    """A route that somebody forgot to guard, or guarded otherwise than was decided, is found here."""
    found = {(method, route.path): rules(route) for route in routes() for method in route.methods}
    assert found == {call: [rule] for call, rule in ALLOWED.items()}


def test_the_table_of_the_page_is_the_table_of_the_tests() -> None:
    """docs/security.md says of every call who may make it."""
    page = (ROOT / "docs/security.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([A-Z]+) (/\S*)` \| ([^|]+?) \|", page, re.MULTILINE)
    assert {(method, path): who for method, path, who in rows} == {
        (method, path.replace(":room", "")): WHO[rule] for (method, path), rule in ALLOWED.items()
    }


RECORD = ("transcript", "windows", "status", "analytics", "stream")
"""Calls that a participant may make of its own room."""

GUARDED = [
    ("POST", "/rooms/create"),
    ("POST", "/tokens/generate"),
    ("GET", "/rooms"),
    ("GET", "/transcripts"),
    ("GET", "/transcripts?q=x"),
    ("GET", "/metrics"),
    ("GET", "/rooms/a/participants"),
    ("DELETE", "/rooms/a"),
    ("GET", "/rooms/a/transcript"),
    *(("GET", f"/rooms/a/transcript?format={name}") for name in FORMATS),
    ("GET", "/rooms/a/windows"),
    ("GET", "/rooms/a/stream?after=x"),
    ("GET", "/rooms/a/status"),
    ("GET", "/rooms/a/analytics"),
    ("HEAD", "/rooms"),
    ("HEAD", "/rooms/a/transcript"),
    ("HEAD", "/rooms/a/transcript?format=srt"),
    ("HEAD", "/rooms/a/stream"),
    ("DELETE", "/rooms/a/transcript"),
]


def test_the_guarded_calls_are_all_there_are() -> None:
    """What is tried below leaves out no route but those for anyone, and LiveKit's own."""
    tried = {
        (method, path.partition("?")[0].replace("/rooms/a", "/rooms/{name:room}")) for method, path in GUARDED
    }
    assert {call for call, rule in ALLOWED.items() if rule not in (anyone, livekit_itself)} <= tried


@pytest.mark.parametrize(("method", "path"), GUARDED)
async def test_no_valid_credential_is_401(method: str, path: str) -> None:
    """Nobody without a credential learns anything; of bodies see test_bodies.py."""
    store = await record("a", "secret words")
    async with calling(store, credential=None) as client:
        for what, header in wrong_credentials().items():
            answer = await client.request(method, path, headers={"Authorization": header} if header else {})
            assert answer.status_code == 401, what
            assert answer.headers["WWW-Authenticate"] == "Bearer", what
            assert "secret words" not in answer.text


async def record(room: str, text: str) -> MemoryStore:
    """A record of one room in which something was said."""
    store = MemoryStore()
    await store.open_session(room, f"RM_{room}", STARTED)
    await store.write(f"RM_{room}", 1, [Stored(1, segment(text))])
    return store


@pytest.mark.parametrize(
    "path",
    [
        "transcript",
        *(f"transcript?format={name}" for name in FORMATS),
        "windows",
        "status",
        "analytics",
        "transcript?session=RM_b",
        "stream",
        "status?session=RM_b",
    ],
)
async def test_a_token_of_another_room_is_refused_alike(path: str) -> None:
    """Whether room b exists cannot be told from the refusal, which is the same to the byte."""
    answers = []
    for store in (await record("b", "secret words"), MemoryStore()):
        async with calling(store, credential=participant("a")) as client:
            for method in ("GET", "HEAD"):
                answer = await client.request(method, f"/rooms/b/{path}")
                answers.append((answer.status_code, answer.content if method == "GET" else b""))
    assert answers[:2] == answers[2:]
    assert answers[0] == (
        403,
        b'{"detail":"A participant\'s token may only read the record of its own room."}',
    )


async def test_another_rooms_session_cannot_be_named() -> None:
    """The room in the path is one's own, the session is not."""
    store = await record("b", "secret words")
    await store.open_session("a", "RM_a", STARTED)
    async with calling(store, credential=participant("a")) as client:
        answer = await client.get("/rooms/a/transcript?session=RM_b")
    assert (answer.status_code, answer.json()) == (404, {"detail": "No transcript of this room."})


@pytest.mark.parametrize(
    ("method", "path"),
    [one for one in GUARDED if one[1].partition("?")[0].rpartition("/")[2] not in RECORD],
)
async def test_participants_may_do_nothing_else(method: str, path: str) -> None:
    """A candidate's token makes no rooms, no tokens, and ends no interview; not even its own."""
    async with calling(credential=participant("a")) as client:
        assert (await client.request(method, path)).status_code == 403


@pytest.mark.parametrize(
    ("claims", "status"),
    [({"nbf": 59}, 200), ({"iat": 59}, 200), ({"nbf": 65}, 401), ({"iat": 65}, 401), ({"exp": -1}, 401)],
)
async def test_a_token_of_a_host_whose_clock_is_ahead(claims: dict[str, int], status: int) -> None:
    """A minute at its beginning, which LiveKit allows as well, and none at its end."""
    now = int(time.time())
    shifted = {name: now + seconds for name, seconds in claims.items()}
    async with calling(await record("a", "hello"), credential=None) as client:
        answer = await client.get("/rooms/a/transcript", headers={"Authorization": made(**shifted)})
    assert answer.status_code == status


@pytest.mark.parametrize("room", ["a", "interview of Zoë 👩🏽‍💻", "a/b", "x/transcript", "50%", "a%2Fb"])
async def test_participants_read_their_own_room(room: str) -> None:
    """Whatever it is called."""
    store = await record(room, "hello there")
    async with calling(store, credential=participant(room)) as client:
        path = f"/rooms/{quoted(room)}"
        for call in RECORD[:-1]:  # a stream does not end by itself
            answer = await client.get(f"{path}/{call}")
            assert (answer.status_code, answer.json()["room"]) == (200, room)


def quoted(room: str) -> str:
    """A name as one part of a path."""
    return "".join(f"%{byte:02X}" for byte in room.encode())


async def test_the_key_may_all() -> None:
    """Every call passes the rule; what is asked of LiveKit then fails, for it is away."""
    store = await record("a", "hello there")
    async with calling(store) as client:
        for method, path in GUARDED:
            assert (await client.request(method, path)).status_code in (200, 422, 503), path


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.3.2.1"])
async def test_without_a_key_this_machine_may_all(host: str) -> None:
    """When the service listens nowhere else."""
    async with calling(credential=None, API_KEY="", HOST=host) as client:
        assert (await client.get("/rooms/a/transcript")).status_code == 404


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com", "localhost.example.com"])
async def test_without_a_key_nobody_may_anything_over_a_network(host: str) -> None:
    """Forgetting the key opens nothing; an empty key is no key."""
    store = await record("a", "hello there")
    async with calling(store, credential=None, API_KEY="", HOST=host) as client:
        for method, path in GUARDED:
            for headers in ({}, bearer(""), bearer("None")):
                assert (await client.request(method, path, headers=headers)).status_code == 401
        answer = await client.get("/rooms/a/transcript", headers=bearer(participant("a")))
        assert answer.status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "10.0.0.1", "localhost.evil.example"]
)
async def test_other_names_of_this_machine_are_refused(host: str) -> None:
    """A page of another site can have its own name resolved to this machine."""
    async with calling(credential=None, host=host, API_KEY="") as client:
        assert (await client.get("/rooms/a/transcript")).status_code == 403
    async with calling(host=host) as client:
        assert (await client.get("/rooms/a/transcript")).status_code == 404


@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1:1", "[::1]:8000", "app.localhost"])
async def test_names_of_loopback_are_known(host: str) -> None:
    """With and without a port."""
    async with calling(credential=None, host=host, API_KEY="") as client:
        assert (await client.get("/rooms/a/transcript")).status_code == 404


async def test_cors_is_a_list() -> None:
    """Pages of the list may call, others may not; errors carry the headers too: a page can read them."""
    async with calling(CORS_ORIGINS="https://app.example.com", credential=None) as client:
        for origin, allowed in (
            ("https://app.example.com", "https://app.example.com"),
            ("https://evil.example", None),
        ):
            asked = {"Origin": origin, "Access-Control-Request-Method": "DELETE"}
            before = await client.options("/rooms/a", headers=asked)
            assert before.headers.get("Access-Control-Allow-Origin") == allowed
            answer = await client.get("/rooms/a/transcript", headers={"Origin": origin})
            assert answer.status_code == 401
            assert answer.headers.get("Access-Control-Allow-Origin") == allowed
