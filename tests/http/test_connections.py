"""Kept connections, and addresses: what a load balancer in front of the service relies on."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import uvicorn
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from agent.http.connections import limits
from tests.http.service import settings
from token_service import listen

CALL = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers every call."""
    await PlainTextResponse("ok")(scope, receive, send)


@asynccontextmanager
async def serving(max_connections: int = 100, **env: str) -> AsyncIterator[int]:
    """uvicorn as the service configures it; its port."""
    chosen = settings(**env)
    options = limits(chosen.max_streams, chosen.keep_alive_seconds)
    options["limit_concurrency"] = max_connections
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off", **options))
    with listen("127.0.0.1", 0) as listener:
        async with asyncio.TaskGroup() as group:
            group.create_task(server._serve([listener]), name="serve")
            yield listener.getsockname()[1]
            server.should_exit = True


async def answered(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """The first line of the answer to a call on this connection; empty when it was closed."""
    writer.write(CALL)
    line = await reader.readline()
    while (await reader.readline()) not in (b"\r\n", b""):
        pass
    await reader.read(2)
    return line


def test_connections_are_kept_for_longer_than_load_balancers_keep_them() -> None:
    """Case 25: nginx and AWS keep them for 60 s; whoever sends the calls must be the first to close."""
    assert limits(1, settings().keep_alive_seconds)["timeout_keep_alive"] == 75
    assert settings(KEEP_ALIVE_SECONDS="620").keep_alive_seconds == 620


async def test_how_long_they_are_kept_is_a_setting() -> None:
    """A second, here: closed then, and not before."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(20), serving(KEEP_ALIVE_SECONDS="1") as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await answered(reader, writer) == b"HTTP/1.1 200 OK\r\n"
        began = loop.time()
        assert await reader.read() == b""
        assert loop.time() - began > 0.9
        writer.close()


async def test_kept_connections_give_way() -> None:
    """A service that is full of connections without a call closes the oldest one for whoever comes."""
    async with asyncio.timeout(20), serving(max_connections=4) as port:
        kept = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        for one in kept:
            assert b"200" in await answered(*one)
        newcomer = await asyncio.open_connection("127.0.0.1", port)
        assert await kept[0][0].read() == b""
        assert b"200" in await answered(*newcomer)
        assert b"200" in await answered(*kept[1])
        for _, writer in [*kept, newcomer]:
            writer.close()


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="the machine has no IPv6")
def test_one_host_is_both_families() -> None:
    """Case 33: `HOST=::` on a machine, or in a pod, with one family or both."""
    with listen("::", 0) as listener:
        port = listener.getsockname()[1]
        for address in ("127.0.0.1", "::1"):
            try:
                socket.create_connection((address, port), timeout=5).close()
            except OSError as error:
                assert address == "::1", error  # no IPv6 on loopback, as in some containers
