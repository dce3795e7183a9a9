"""Calls with a body: who calls is asked before anything of it is looked at, whatever it is."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from agent.http.auth import key_holder
from agent.http.limits import MAX_BODY_BYTES, max_body_bytes
from agent.http.livekit import LiveKit
from agent.store.memory import MemoryStore
from tests.http.service import calling, participant, settings, wrong_credentials
from tests.http.test_auth import ALLOWED
from token_service import create_app

TOO_LARGE = MAX_BODY_BYTES + 1
JSON = {"Content-Type": "application/json"}

BODIES: dict[str, tuple[bytes, dict[str, str]]] = {
    "good": (b'{"room_name": "a", "participant_identity": "anna"}', JSON),
    "an event": (b'{"event": "room_started"}', {"Content-Type": "application/webhook+json"}),
    "empty": (b"", JSON),
    "nothing at all": (b"", {}),
    "cut off": (b'{"room_name": "a', JSON),
    "no JSON": (b"hello", JSON),
    "no UTF-8": (b"\xff\xfe{}", JSON),
    "opening brackets": (b"[" * 50_000, JSON),
    "another shape": (b'[{"room_name": 7}]', JSON),
    "unknown fields": (b'{"admin": true}', JSON),
    "a form": (b"room_name=a", {"Content-Type": "application/x-www-form-urlencoded"}),
    "plain text": (b'{"room_name": "a"}', {"Content-Type": "text/plain"}),
    "no type": (b'{"room_name": "a"}', {}),
    "a type that is none": (b"{}", {"Content-Type": ";;/"}),
    "compressed": (gzip.compress(b"{}"), {**JSON, "Content-Encoding": "gzip"}),
    "as long as may be": (b" " * MAX_BODY_BYTES, JSON),
}


def calls() -> list[tuple[str, str]]:
    """Method and path of every call that the document gives a body."""
    app = create_app(settings(), LiveKit(settings()), MemoryStore())
    return [
        (method.upper(), path)
        for path, operations in app.openapi()["paths"].items()
        for method, operation in operations.items()
        if "requestBody" in operation
    ]


CALLS = calls()


class Parts:
    """A body that is sent in pieces, its length untold, and that knows whether it was asked for."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self.asked = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self.asked = True
        for start in range(0, len(self._body), 1024):
            yield self._body[start : start + 1024]


async def sent(
    client: httpx.AsyncClient, call: tuple[str, str], content: Any, headers: dict[str, str]
) -> httpx.Response:
    """The answer to a body."""
    return await client.request(*call, content=content, headers=headers)


def test_the_calls_with_a_body_are_known() -> None:
    """A new one is tried below by itself; its path has no parameter, or the tests must fill it in."""
    assert CALLS == [("POST", "/rooms/create"), ("POST", "/tokens/generate"), ("POST", "/webhook")]


@pytest.mark.parametrize("call", CALLS, ids=str)
@pytest.mark.parametrize("what", BODIES)
async def test_nobody_is_told_anything_of_a_body(call: tuple[str, str], what: str) -> None:
    """401 without a valid credential, in the same words for every body, of which nothing was read."""
    body, headers = BODIES[what]
    async with calling(credential=None) as client:
        refusal = (await client.request(*call)).content
        for header in wrong_credentials().values():
            for content in (body, parts := Parts(body)):
                by = {"Authorization": header} if header else {}
                answer = await sent(client, call, content, {**headers, **by})
                assert (answer.status_code, answer.content) == (401, refusal)
                assert not parts.asked


@pytest.mark.parametrize("call", CALLS, ids=str)
async def test_a_length_that_is_told_is_refused_before_the_credential(call: tuple[str, str]) -> None:
    """413 tells nothing but the limit; a length that nobody told is not found out for strangers."""
    async with calling(credential=None) as client:
        too_large = b" " * (max_body_bytes(call[1]) + 1)
        assert (await sent(client, call, too_large, JSON)).status_code == 413
        parts = Parts(too_large)
        assert (await sent(client, call, parts, JSON)).status_code == 401
        assert not parts.asked


@pytest.mark.parametrize("call", [call for call in CALLS if ALLOWED[call] is key_holder], ids=str)
async def test_a_credential_that_is_not_enough_is_refused_alike(call: tuple[str, str]) -> None:
    """403 for a participant, and for a foreign page when no key is needed, before the body is read."""
    async with calling(credential=participant("a")) as stranger:
        for body, headers in BODIES.values():
            parts = Parts(body)
            assert (await sent(stranger, call, parts, headers)).status_code == 403
            assert not parts.asked
    async with calling(credential=None, API_KEY="") as page:
        for body, headers in BODIES.values():
            parts = Parts(body)
            answer = await sent(page, call, parts, {**headers, "Origin": "https://evil.example"})
            assert answer.status_code == 403
            assert not parts.asked


@pytest.mark.parametrize("call", [call for call in CALLS if ALLOWED[call] is key_holder], ids=str)
async def test_whoever_may_call_is_told_what_is_wrong(call: tuple[str, str]) -> None:
    """The same bodies with the key: an answer to the body, not to the caller."""
    async with calling() as client:
        for what, (body, headers) in BODIES.items():
            for content in (body, Parts(body)):
                answer = await sent(client, call, content, headers)
                assert answer.status_code in (200, 400, 422, 503), what
                assert json.loads(answer.content), what
        assert (await sent(client, call, Parts(b" " * TOO_LARGE), JSON)).status_code == 413
