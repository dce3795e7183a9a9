"""Bad requests: refused with the field's name, in the caller's words (case 12 of the public reports)."""

from __future__ import annotations

import json
import socket
from datetime import UTC, datetime
from typing import Any

import httpx
import jwt
import pytest

from agent.errors import SettingsError
from agent.http.limits import MAX_BODY_BYTES
from agent.http.names import NewNames
from tests.http.service import SECRET, calling
from token_service import listen

GOOD = {"room_name": "a", "participant_identity": "anna", "participant_name": "Anna", "role": "candidate"}

BAD_TOKENS: list[tuple[dict[str, Any], str]] = [
    ({"roomName": "x"}, "roomName"),
    ({"room_name": ""}, "room_name"),
    ({"room_name": "   "}, "room_name"),
    ({"room_name": "\u200b\u2028\t"}, "room_name"),
    ({"room_name": None}, "room_name"),
    ({"room_name": 7}, "room_name"),
    ({"room_name": "é" * 129}, "room_name"),
    ({"room_name": ".."}, "room_name"),
    ({"room_name": "."}, "room_name"),
    ({"participant_identity": ""}, "participant_identity"),
    ({"participant_identity": "  "}, "participant_identity"),
    ({"participant_identity": "x" * 257}, "participant_identity"),
    ({"participant_identity": "agent-transcriber-7"}, "participant_identity"),
    ({"participant_name": ""}, "participant_name"),
    ({"participant_name": "x" * 257}, "participant_name"),
    ({"role": "boss"}, "role"),
    ({"role": None}, "role"),
    ({"admin": True}, "admin"),
]
BAD_ROOMS: list[tuple[dict[str, Any], str]] = [
    ({"room_name": ""}, "room_name"),
    ({"room_name": " \n "}, "room_name"),
    ({"room_name": "x" * 257}, "room_name"),
    ({"room_name": ["x"]}, "room_name"),
    ({"name": "x"}, "name"),
    ({"max_participants": 0}, "max_participants"),
    ({"max_participants": -1}, "max_participants"),
    ({"max_participants": 10_001}, "max_participants"),
    ({"max_participants": 2.5}, "max_participants"),
    ({"max_participants": "10"}, "max_participants"),
    ({"max_participants": True}, "max_participants"),
    ({"max_participants": None}, "max_participants"),
]


def fields(answer: httpx.Response) -> set[str]:
    """The fields that an answer complains of."""
    return {one["loc"][-1] for one in answer.json()["detail"]}


@pytest.mark.parametrize(("change", "field"), BAD_TOKENS)
async def test_a_token_request_with_a_fault_is_refused(change: dict[str, Any], field: str) -> None:
    """422 that names the field, and no token."""
    async with calling() as client:
        answer = await client.post("/tokens/generate", json={**GOOD, **change})
    assert answer.status_code == 422
    assert fields(answer) == {field}
    assert "eyJ" not in answer.text


@pytest.mark.parametrize("field", ["room_name", "participant_identity"])
async def test_a_token_request_must_say_who_and_where(field: str) -> None:
    """The other two have defaults."""
    async with calling() as client:
        answer = await client.post("/tokens/generate", json={k: v for k, v in GOOD.items() if k != field})
        assert (answer.status_code, fields(answer)) == (422, {field})


@pytest.mark.parametrize(("body", "field"), BAD_ROOMS)
async def test_a_room_request_with_a_fault_is_refused(body: dict[str, Any], field: str) -> None:
    """422 that names the field, before LiveKit is asked."""
    async with calling() as client:
        answer = await client.post("/rooms/create", json=body)
    assert (answer.status_code, fields(answer)) == (422, {field})


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("after=-1", "after"),
        ("after=x", "after"),
        ("after=9223372036854775808", "after"),
        ("format=doc", "format"),
        ("format=", "format"),
    ],
)
async def test_a_query_with_a_fault_is_refused(query: str, field: str) -> None:
    """422 that names the parameter, whether the room exists or not."""
    async with calling() as client:
        answer = await client.get(f"/rooms/a/transcript?{query}")
    assert (answer.status_code, fields(answer)) == (422, {field})


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"1",
        b'"x"',
        b"\xff\xfe{}",
        b"[" * 50_000,
        b'{"room_name": "a", "participant_identity": NaN}',
        b'{"room_name": "\\ud800", "participant_identity": "x"}',
        b'{"room_name": ' + b"9" * 10_000 + b"}",
    ],
)
async def test_a_body_that_is_no_request_is_refused(body: bytes) -> None:
    """4xx with a detail, whatever the bytes are."""
    async with calling() as client:
        answer = await client.post(
            "/tokens/generate", content=body, headers={"Content-Type": "application/json"}
        )
    assert answer.status_code in (400, 422)
    assert answer.json()["detail"]


async def test_a_body_of_another_type_is_refused() -> None:
    """A form of another site's page cannot make tokens."""
    async with calling() as client:
        for content_type in ("text/plain", "application/x-www-form-urlencoded", ""):
            answer = await client.post(
                "/tokens/generate", content=json.dumps(GOOD), headers={"Content-Type": content_type}
            )
            assert answer.status_code == 422


async def test_a_body_that_is_too_long_is_refused() -> None:
    """Told in advance or not."""

    async def drip() -> Any:
        for _ in range(MAX_BODY_BYTES // 1024 + 1):
            yield b" " * 1024

    async with calling() as client:
        for body in (b" " * (MAX_BODY_BYTES + 1), drip()):
            answer = await client.post(
                "/tokens/generate", content=body, headers={"Content-Type": "application/json"}
            )
            assert answer.status_code == 413
            assert "bytes" in answer.json()["detail"]
        padded = json.dumps(GOOD).encode().ljust(MAX_BODY_BYTES)
        answer = await client.post(
            "/tokens/generate", content=padded, headers={"Content-Type": "application/json"}
        )
        assert answer.status_code == 200


async def test_a_refusal_does_not_repeat_what_was_sent() -> None:
    """It may be a secret in the wrong field."""
    async with calling() as client:
        answer = await client.post(
            "/tokens/generate", json={**GOOD, "role": "swordfish", "swordfish2": "s3cret"}
        )
    assert "swordfish2" in answer.text, "the field is named"
    assert "s3cret" not in answer.text
    assert '"swordfish"' not in answer.text


@pytest.mark.parametrize(
    "name", ["a", " a ", "é" * 128, "x" * 256, "a/b?#%2F", "👩🏽‍💻", "שלום", "a\u202eb", "…", "..."]
)
async def test_a_good_token_says_what_was_asked(name: str) -> None:
    """Names are kept exactly; no call to LiveKit is needed."""
    async with calling() as client:
        answer = await client.post("/tokens/generate", json={"room_name": name, "participant_identity": name})
    assert answer.status_code == 200
    assert answer.json().keys() == {"token", "room_name", "participant_identity", "url"}
    assert answer.json()["room_name"] == answer.json()["participant_identity"] == name
    claims = jwt.decode(answer.json()["token"], SECRET, ["HS256"], issuer="APIkey")
    assert (claims["video"]["room"], claims["sub"], claims["name"]) == (name, name, name)


async def test_without_livekit_settings_it_says_which() -> None:
    """The service runs, says so, and names what to set."""
    away = {"LIVEKIT_URL": "", "LIVEKIT_API_KEY": "", "LIVEKIT_API_SECRET": ""}
    async with calling(**away) as client:
        answer = await client.get("/")
        assert (answer.status_code, answer.json()["livekit_configured"]) == (200, False)
        calls = [
            client.get("/health"),
            client.get("/rooms"),
            client.post("/rooms/create"),
            client.post("/tokens/generate", json=GOOD),
            client.get("/rooms/a/participants"),
            client.delete("/rooms/a"),
        ]
        for call in calls:
            answer = await call
            assert answer.status_code == 503
            assert "LIVEKIT_URL" in answer.json()["detail"]
        assert (await client.get("/rooms/a/transcript")).status_code == 404


def test_new_names_do_not_repeat() -> None:
    """Two rooms in one second are two rooms."""
    names = NewNames()
    first, second = datetime(2026, 11, 25, 9, 5, 7, tzinfo=UTC), datetime(2026, 11, 25, 9, 5, 8, tzinfo=UTC)
    assert [names.next(first), names.next(first), names.next(first), names.next(second)] == [
        "interview-20261125-090507",
        "interview-20261125-090507-2",
        "interview-20261125-090507-3",
        "interview-20261125-090508",
    ]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_connections_do_not_wait_to_send(host: str) -> None:
    """Without TCP_NODELAY each answer on a kept connection comes 40 ms late."""
    with listen(host, 0) as listener, socket.create_connection(listener.getsockname()[:2]):
        connection, _ = listener.accept()
        with connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_an_address_that_is_not_ours_is_a_setting_to_mend() -> None:
    """The error names the settings."""
    with pytest.raises(SettingsError, match="set HOST and PORT"):
        listen("192.0.2.1", 0)


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/rooms/a/transcript", ["GET", "DELETE"]),
        ("/rooms", ["GET"]),
        ("/rooms/a", ["DELETE"]),
        ("/webhook", ["POST"]),
        ("/docs", ["GET"]),
    ],
)
async def test_a_wrong_method_is_told_the_right_ones(path: str, methods: list[str]) -> None:
    """All of a path, also when they are different routes."""
    async with calling() as client:
        answer = await client.request("PROPFIND", path)
    assert (answer.status_code, answer.json()) == (405, {"detail": "Method Not Allowed"})
    assert answer.headers["Allow"].split(", ") == methods
