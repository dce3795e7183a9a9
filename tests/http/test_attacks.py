"""The running service refuses what docs/security.md says it refuses, in time, and tells nothing by it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from agent.http.connections import BESIDE_STREAMS, CALL_BEGINS_SECONDS
from agent.http.limits import BODY_SECONDS
from agent.store import open_store
from agent.store.protocol import Stored
from tests.conftest import ROOT
from tests.contract.record import STARTED, segment
from tests.http.attempts import (
    ANNA,
    ATTEMPTS,
    BY_KEY,
    JSON,
    OPEN,
    SPLITTING,
    SPOKEN,
    TITLES,
    Attempt,
    call,
)
from tests.http.service import KEY, LIVEKIT, SECRET
from tests.integration.running_service import RunningService, running_service

pytestmark = pytest.mark.asyncio(loop_scope="module")

GRACE_SECONDS = 5.0
"""For a machine that does something else as well."""


@dataclass(slots=True)
class Services:
    """The same record behind a key, and without one."""

    keyed: RunningService
    open: RunningService


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def services(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Services]:
    """Two processes as they are run; LiveKit is away."""
    folder: Path = tmp_path_factory.mktemp("attacks")
    store = open_store(f"sqlite:///{folder}/record.db")
    for room, session in (("a", "RM_a"), ("b", "RM_b"), (SPLITTING, "RM_c")):
        await store.open_session(room, session, STARTED)
        await store.write(session, 1, [Stored(1, segment(SPOKEN))])
    await store.aclose()
    async with AsyncExitStack() as stack:
        keyed = await stack.enter_async_context(running_service(folder, **LIVEKIT, API_KEY=KEY))
        yield Services(keyed, await stack.enter_async_context(running_service(folder, **LIVEKIT)))


async def answered(service: RunningService, request: bytes) -> bytes:
    """All that comes back until the service closes, or has answered and waits."""
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    try:
        writer.write(request)
        async with asyncio.timeout(20):
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
            return head + (await reader.readexactly(int(length[1])) if length else await reader.read())
    finally:
        writer.close()


@pytest.mark.parametrize("attempt", ATTEMPTS, ids=lambda attempt: attempt.what)
async def test_an_attempt_is_answered_as_the_page_says(services: Services, attempt: Attempt) -> None:
    """By its status, with a sentence for people, and with nothing of a room that is not the caller's."""
    service = services.open if attempt.service == OPEN else services.keyed
    answer = await answered(service, attempt.request)
    head, _, body = answer.partition(b"\r\n\r\n")
    status = head.split(b" ")[1].decode()
    assert status in attempt.answer.partition(",")[0].split(" or ")
    names = [line.partition(b":")[0].lower() for line in head.split(b"\r\n")[1:]]
    assert b"set-cookie" not in names
    if status != "400":  # those are uvicorn's own, or given before a call has a route
        assert b"cache-control: no-store" in head.lower()
        assert b"x-content-type-options: nosniff" in head.lower()
    assert len(names) == len(set(names)), "no header came in"
    assert not any(name.startswith(b"access-control-allow") for name in names) or attempt.answer == "400"
    assert b"access-control-allow-origin" not in names
    if status != "200":
        assert SPOKEN.encode() not in answer
        assert b"Traceback" not in answer
        for secret in (KEY, SECRET, "evil", "passwd", "eyJ"):
            assert secret.encode() not in body, secret


async def test_nothing_that_was_tried_is_logged(services: Services) -> None:
    """No credential, right or wrong, no room, no speech; and no attempt was a fault of ours."""
    for attempt in ATTEMPTS:
        await answered(services.open if attempt.service == OPEN else services.keyed, attempt.request)
    for service in (services.keyed, services.open):
        assert len(service.lines) > 5
        log = "".join(service.lines)
        assert "call_failed" not in log
        assert "Traceback" not in log
        for secret in (
            KEY,
            SECRET,
            "eyJ",
            SPOKEN,
            "evil",
            "stolen",
            "nowhere",
            "anna",
            "passwd",
            "not-the-key",
        ):
            assert secret not in log, secret


async def test_figures_do_not_grow_with_what_strangers_make_up(services: Services) -> None:
    """Methods and paths are anybody's; what is counted is not."""
    for number in range(20):
        await answered(services.keyed, call("/rooms", method=f"MADEUP{number}"))
        await answered(services.keyed, call(f"/madeup{number}"))
    figures = await answered(services.keyed, call("/metrics", BY_KEY))
    assert b'method="other",route="/rooms",status="405"' in figures
    assert b"MADEUP" not in figures.upper()


async def test_the_page_has_every_attempt() -> None:
    """docs/security.md, in the order and in the words of the test."""
    page = (ROOT / "docs/security.md").read_text(encoding="utf-8")
    for title, attempts in TITLES.items():
        section = page.partition(f"\n### {title}\n")[2].partition("\n#")[0]
        rows = re.findall(r"^\| (.+) \| (.+) \|$", section, re.MULTILINE)[1:]
        assert rows == [(attempt.what, attempt.answer) for attempt in attempts], title


async def dripped(service: RunningService, first: bytes, drop: bytes) -> tuple[float, bytes]:
    """Seconds until the service closed, and what it said, to somebody who sends a drop a moment for ever."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    said = bytearray()

    async def listen() -> None:
        while data := await reader.read(4096):
            said.extend(data)

    async def drip() -> None:
        writer.write(first)
        while drop:
            await writer.drain()
            writer.write(drop)
            await asyncio.sleep(0.2)

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        dripping = group.create_task(_until_reset(drip()))
        await _until_reset(listen())
        dripping.cancel()
    writer.close()
    return loop.time() - began, bytes(said)


async def _until_reset(work: Coroutine[Any, Any, None]) -> None:
    with suppress(ConnectionError):
        await work


async def test_slow_callers_are_let_go(services: Services) -> None:
    """Whatever they are slow with, and however long they would go on; others are answered meanwhile."""
    post = call("/tokens/generate", BY_KEY, method="POST", headers={**JSON, "Content-Length": "60000"})
    post = post.replace(b"Connection: close\r\n", b"")
    endless = post.replace(b"Content-Length: 60000", b"Transfer-Encoding: chunked")
    stranger = post.replace(f"Authorization: {BY_KEY}\r\n".encode(), b"")
    nowhere = endless.replace(b"/tokens/generate", b"/nothing")
    chunk = b"2000\r\n" + b" " * 0x2000 + b"\r\n"
    async with asyncio.TaskGroup() as group:
        attempts = {
            what: group.create_task(dripped(services.keyed, first, drop))
            for what, first, drop in (
                ("says nothing", b"", b""),
                ("a letter of a header a moment", b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ", b"x"),
                ("a header a moment", b"GET / HTTP/1.1\r\nHost: localhost\r\n", b"X: x\r\n"),
                ("a letter of a body a moment", post, b" "),
                ("a letter of a stranger's body a moment", stranger, b" "),
                ("an endless body", endless, chunk),
                ("an endless body for nobody", nowhere, chunk),
            )
        }
        while not all(task.done() for task in attempts.values()):
            assert (await services.keyed.client.get("/")).status_code == 200
            await asyncio.sleep(0.5)
    statuses = {what: re.findall(rb"HTTP/1.1 (\d+)", task.result()[1]) for what, task in attempts.items()}
    assert statuses == {
        "says nothing": [],
        "a letter of a header a moment": [],
        "a header a moment": [],
        "a letter of a body a moment": [b"408"],
        "a letter of a stranger's body a moment": [b"401"],
        "an endless body": [b"413"],
        "an endless body for nobody": [b"404"],
    }
    longest = max(CALL_BEGINS_SECONDS, BODY_SECONDS) * 2 + GRACE_SECONDS
    assert {what: task.result()[0] for what, task in attempts.items() if task.result()[0] > longest} == {}


async def test_connections_are_counted(tmp_path: Path) -> None:
    """Whoever comes when all are held is told so at once, and is answered when they are let go."""
    async with running_service(tmp_path, MAX_STREAMS="1", **LIVEKIT) as service:
        held = [await asyncio.open_connection("127.0.0.1", service.port) for _ in range(BESIDE_STREAMS + 1)]
        assert (await answered(service, call("/"))).startswith(b"HTTP/1.1 503 ")
        for _, writer in held:
            writer.close()
        async with asyncio.timeout(10):
            while not (await answered(service, call("/"))).startswith(b"HTTP/1.1 200 "):  # noqa: ASYNC110
                await asyncio.sleep(0.05)  # until the service has heard of it


async def test_who_may_is_answered(services: Services) -> None:
    """What was refused above was refused for its fault, not to everybody."""
    for service, request in (
        (services.keyed, call("/rooms/a/transcript", ANNA)),
        (services.keyed, call("/rooms/b/transcript", BY_KEY)),
        (services.open, call("/rooms/b/transcript")),
    ):
        assert SPOKEN.encode() in await answered(service, request)
