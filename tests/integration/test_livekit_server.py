"""The local LiveKit server is the real one, is ours alone, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from livekit import api

from agent.errors import LocalPartError
from local.livekit import LiveKitServer
from tests.conftest import ROOT, LiveKit
from tests.test_child import descendants, gone, until

pytestmark = pytest.mark.live


def server_processes(server: LiveKitServer) -> list[psutil.Process]:
    """Keeper and server program of `server`, which this process started."""
    mine = psutil.Process().children(recursive=True)
    listening = [p for p in mine if any(c.laddr.port == server.port for c in p.net_connections("tcp"))]
    return [*listening, *(p.parent() for p in listening)]


@pytest.mark.parametrize("name", ["interview-1", "Gespräch mit Zoë / 面接 🎤", "a b/c?d#e%20"])
async def test_any_room_name_works(livekit: LiveKit, name: str) -> None:
    """The server keeps a room's name as it was given."""
    async with api.LiveKitAPI(livekit.url, livekit.api_key, livekit.api_secret) as client:
        made = await client.room.create_room(api.CreateRoomRequest(name=name))
        listed = await client.room.list_rooms(api.ListRoomsRequest(names=[name]))
        await client.room.delete_room(api.DeleteRoomRequest(room=name))
    assert made.name == name
    assert [room.sid for room in listed.rooms] == [made.sid]


async def test_the_secret_is_long_and_only_it_opens(livekit: LiveKit) -> None:
    """LiveKit asks for 32 characters; another secret is refused."""
    assert len(livekit.api_secret) >= 32
    async with api.LiveKitAPI(livekit.url, livekit.api_key, "x" * 40) as client:
        with pytest.raises(api.TwirpError) as refused:
            await client.room.list_rooms(api.ListRoomsRequest())
    assert refused.value.status == 401


async def test_it_listens_on_loopback_only_and_ends_with_its_block() -> None:
    """Nobody outside this machine can reach it, media included; afterwards no process and no log is left."""
    async with LiveKitServer() as server:
        processes = server_processes(server)
        sockets = [c for p in processes for c in p.net_connections("inet") if not c.raddr]
        assert {c.laddr.ip for c in sockets} == {"127.0.0.1"}
        assert {c.type.name for c in sockets} == {"SOCK_STREAM", "SOCK_DGRAM"}
        assert server.log_file is not None
        assert server.log_file.exists()
    assert gone(processes)
    assert not server.log_file.exists()


async def test_started_again_it_keeps_address_and_keys() -> None:
    """So that a test can take the server away from under a worker, and give it back."""
    server = LiveKitServer()
    await server.start()
    before = server.env
    await server.stop()
    await server.start()
    try:
        assert server.env == before
    finally:
        await server.stop()


async def test_room_options_and_webhooks_reach_the_server() -> None:
    """An event of a room is posted, and the room's timeouts are ours."""
    posted: asyncio.Queue[bytes] = asyncio.Queue()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        posted.put_nowait(await reader.readexactly(length))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as receiver:
        port = receiver.sockets[0].getsockname()[1]
        url = f"http://127.0.0.1:{port}/"
        async with (
            LiveKitServer(empty_timeout_seconds=7, departure_timeout_seconds=3, webhook_urls=[url]) as server,
            api.LiveKitAPI(server.url, server.api_key, server.api_secret) as client,
        ):
            room = await client.room.create_room(api.CreateRoomRequest(name="r"))
            event = await asyncio.wait_for(posted.get(), 10)
    assert (room.empty_timeout, room.departure_timeout) == (7, 3)
    assert b"room_started" in event


async def test_what_others_set_for_their_server_does_not_reach_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's machine may have Redis and keys for another LiveKit in its environment."""
    monkeypatch.setenv("REDIS_HOST", "127.0.0.1:9")
    monkeypatch.setenv("LIVEKIT_KEYS", "short: x")
    async with LiveKitServer() as server:
        assert server.port


async def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    """The end of the server's own log is in the error."""
    async with LiveKitServer() as first:
        with pytest.raises(LocalPartError, match="address already in use"):
            await LiveKitServer(port=first.port, log_file=tmp_path / "log").start()


async def test_its_death_is_an_error_with_its_log(tmp_path: Path) -> None:
    """Who waits for the server hears that it died."""
    async with LiveKitServer(log_file=tmp_path / "log") as server:
        for process in server_processes(server):
            process.kill()
        with pytest.raises(LocalPartError, match=r"ended with code(.|\n)*starting LiveKit server"):
            await asyncio.wait_for(server.wait(), 10)
    assert (tmp_path / "log").exists()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -9), (signal.SIGTERM, 0), (signal.SIGINT, 0)])
async def test_the_command_leaves_nothing_behind(number: signal.Signals, code: int) -> None:
    """`python -m local.livekit` prints lines to copy, and ends with all it started."""
    command = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "local.livekit", cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert command.stdout is not None
    names = [(await command.stdout.readline()).decode().partition("=")[0] for _ in range(3)]
    assert names == ["LIVEKIT_URL", "LIVEKIT_API_KEY", "LIVEKIT_API_SECRET"]
    children = descendants(command.pid)
    assert len(children) == 2
    command.send_signal(number)
    assert await command.wait() == code
    await until(lambda: gone(children))
