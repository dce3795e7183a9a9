"""A TCP proxy that can be broken on purpose: what lies between a client and a server that the net fails.

    async with TcpProxy(server.port) as proxy:      # clients connect to proxy.url
        proxy.cut()                                 # every connection breaks now
        proxy.refuse()                              # and none is let in
        proxy.accept()                              # until now

A proxy with `bits_per_second` is also a slow link for what clients send; `limit` changes how slow.

Signalling and HTTP go through it, media (UDP) do not.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Self

CHUNK_BYTES = 65_536
CONNECT_SECONDS = 5.0
BUFFER_BYTES = 4_096
"""Of a slow link's receive buffers and reads: what the proxy holds looks to a client like what has left."""


class TcpProxy:
    """Forwards connections on a free port of 127.0.0.1 to `port` there.

    Args:
        port: of the server.
        bits_per_second: how much all clients together may send; None: no limit.
    """

    def __init__(self, port: int, *, bits_per_second: float | None = None) -> None:
        self._target = port
        self._bytes_per_second = None if bits_per_second is None else bits_per_second / 8
        self._server: asyncio.Server | None = None
        self._ends: set[asyncio.StreamWriter] = set()
        self._refusing = False
        self._free_at = 0.0
        """Loop time at which the limited link is free for more."""
        self.connections = 0
        """Connections that were let in so far."""

    @property
    def port(self) -> int:
        """Where it listens."""
        if self._server is None:
            raise RuntimeError("the proxy is not running")
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    @property
    def url(self) -> str:
        """Its WebSocket address, for clients of a LiveKit server."""
        return f"ws://127.0.0.1:{self.port}"

    def cut(self) -> None:
        """Break every connection, as a pulled cable would be noticed: by a reset."""
        for end in self._ends:
            end.transport.abort()

    def refuse(self) -> None:
        """Let no new connection in; those that are open stay."""
        self._refusing = True

    def accept(self) -> None:
        """Take back `refuse`."""
        self._refusing = False

    def limit(self, bits_per_second: float) -> None:
        """Carry no more than this from all clients together; the rest waits on their side."""
        if self._bytes_per_second is None:
            raise RuntimeError("only a proxy that was made with bits_per_second is a slow link")
        self._bytes_per_second = bits_per_second / 8
        self._free_at = asyncio.get_running_loop().time()

    async def __aenter__(self) -> Self:
        listener = socket.socket()
        if self._bytes_per_second is not None:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        listener.bind(("127.0.0.1", 0))
        self._server = await asyncio.start_server(self._forward, sock=listener, limit=self._read_bytes)
        return self

    async def __aexit__(self, *_: object) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.close()
            self.cut()
            await server.wait_closed()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until either side ends it or `cut` does."""
        if self._refusing:
            writer.transport.abort()
            return
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:  # a TimeoutError is one
            writer.transport.abort()
            return
        self.connections += 1
        ends = {writer, far_writer}
        self._ends |= ends
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(reader, far_writer, self._take_turn), name="proxy there")
                group.create_task(self._pump(far_reader, writer), name="proxy back")
        finally:
            self._ends -= ends
            for end in ends:
                end.transport.abort()

    @property
    def _read_bytes(self) -> int:
        """How much is read from a client at once."""
        return CHUNK_BYTES if self._bytes_per_second is None else BUFFER_BYTES

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        before: Callable[[int], Awaitable[None]] | None = None,
    ) -> None:
        try:
            while data := await reader.read(CHUNK_BYTES if before is None else self._read_bytes):
                if before is not None:
                    await before(len(data))
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def _take_turn(self, size: int) -> None:
        """Wait until a slow link has carried what came before, and so many bytes more."""
        if self._bytes_per_second is None:
            return
        now = asyncio.get_running_loop().time()
        self._free_at = max(self._free_at, now) + size / self._bytes_per_second
        await asyncio.sleep(self._free_at - now)
