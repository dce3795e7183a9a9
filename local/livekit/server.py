"""A running LiveKit server of our own: free ports, loopback only, ended with its starter."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import socket
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import aiohttp
import psutil
from livekit import api

from agent.errors import LocalPartError
from local.child import Child
from local.livekit.binary import Progress, find_or_build, to_stderr
from local.ports import free_port

_START_SECONDS = 20
"""Bound of one start; it takes about 0.2 s."""
_STOP_SECONDS = 0.3
"""It would take 1.4 s by itself and wait for participants to leave; it has nothing to save."""
_HANDED_ON = ("PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH")
_TRIES = 3
"""A port that was free may be taken before the server binds it."""


class LiveKitServer:
    """`async with LiveKitServer() as server:` gives `server.url`, `.api_key` and `.api_secret`.

    Args:
        port: TCP port for signalling and the API; 0 takes a free one.
        empty_timeout_seconds: how long a room that nobody joined stays.
        departure_timeout_seconds: how long a room stays after the last person has left.
        webhook_urls: where the server posts its signed events.
        log_file: where its output goes; None keeps it while it runs, and after that only when it failed.
        address: of this machine, where media is received, and clients too; they also are on 127.0.0.1.
        progress: is given lines for a person while the program is built.

    Raises (on entering):
        LocalPartError: the program could not be had, or the server did not start; says what to do.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        empty_timeout_seconds: int = 300,
        departure_timeout_seconds: int = 20,
        webhook_urls: Sequence[str] = (),
        log_file: Path | None = None,
        address: str = "127.0.0.1",
        progress: Progress = to_stderr,
    ) -> None:
        self.port = port
        """0 until it runs, when it was not chosen."""
        self.api_key = f"API{secrets.token_hex(6)}"
        self.api_secret = secrets.token_urlsafe(36)
        """48 characters; LiveKit asks for 32 or more."""
        self.log_file = log_file
        self._chosen_port = port
        self._room = {"empty_timeout": empty_timeout_seconds, "departure_timeout": departure_timeout_seconds}
        self._webhook_urls = list(webhook_urls)
        self._address = address
        self._progress = progress
        self._child: Child | None = None
        self._own_log = log_file is None

    @property
    def url(self) -> str:
        """WebSocket address for clients and workers; the API takes it as well."""
        return f"ws://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Process id of the keeper, whose only child the program is; it must run."""
        assert self._child is not None, "pid before start()"
        return self._child.pid

    @property
    def env(self) -> dict[str, str]:
        """The settings of this project that point at the server."""
        return {
            "LIVEKIT_URL": self.url,
            "LIVEKIT_API_KEY": self.api_key,
            "LIVEKIT_API_SECRET": self.api_secret,
        }

    async def start(self) -> None:
        """Start, and wait until it answers. Started again after `stop`, it keeps its keys and its port.

        Raises:
            LocalPartError: see the class.
        """
        binary = await find_or_build(self._progress)
        for attempt in range(1, _TRIES + 1):
            self.port = self._chosen_port or free_port()
            try:
                await self._start_once(binary)
                self._chosen_port = self.port
                return
            except LocalPartError as error:
                if attempt == _TRIES or "address already in use" not in str(error):
                    raise

    async def stop(self) -> None:
        """End it, rooms and all; safe to call twice."""
        child, self._child = self._child, None
        if child is None:
            return
        failed = not child.running
        await child.stop()
        if self._own_log and not failed:
            child.log_file.unlink(missing_ok=True)

    def suspend(self) -> None:
        """Stop it where it is: nothing is answered, no packet goes on, no connection is closed."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Take back `suspend`."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._child is not None, "the server is not running"
        (program,) = psutil.Process(self._child.pid).children()
        program.send_signal(number)

    async def wait(self) -> None:
        """Wait until the server ends, which it does by itself only when it fails.

        Raises:
            LocalPartError: it has ended; shows the end of its log.
        """
        assert self._child is not None, "wait() before start()"
        code = await self._child.wait()
        raise LocalPartError(self._ended(self._child, code))

    async def _start_once(self, binary: Path) -> None:
        if self._own_log:
            handle, name = tempfile.mkstemp(prefix="livekit-server-", suffix=".log")
            os.close(handle)
            self.log_file = Path(name)
        assert self.log_file is not None
        # the server would take REDIS_HOST, LIVEKIT_KEYS, NODE_IP … from ours as well
        env = {name: os.environ[name] for name in _HANDED_ON if name in os.environ}
        # it holds the secret: an environment is readable by its owner only, arguments are by everybody
        env["LIVEKIT_CONFIG"] = json.dumps(self._configuration())
        child = await Child.start(
            [str(binary)], name="LiveKit server", log_file=self.log_file, env=env, grace_seconds=_STOP_SECONDS
        )
        try:
            await self._answers(child)
        except BaseException:
            await child.stop()
            raise
        self._child = child

    async def _answers(self, child: Child) -> None:
        """Return when it answers; raise when it ends or takes too long."""
        try:
            async with (
                asyncio.timeout(_START_SECONDS),
                api.LiveKitAPI(self.url, self.api_key, self.api_secret) as client,
            ):
                while not await _knows_our_key(client):
                    if not child.running:
                        raise LocalPartError(self._ended(child, await child.wait()))
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise LocalPartError(
                f"the LiveKit server did not answer on {self.url} within {_START_SECONDS} s; "
                f"the end of its log:\n{child.log_tail()}"
            ) from None

    def _ended(self, child: Child, code: int) -> str:
        log = f"the end of its log ({child.log_file}):\n{child.log_tail()}"
        return f"the LiveKit server ended with code {code}; {log}"

    def _configuration(self) -> dict[str, Any]:
        """Loopback (and the address asked for) only, and nothing asked of the outside."""
        configuration: dict[str, Any] = {
            "port": self.port,
            "bind_addresses": sorted({"127.0.0.1", self._address}),
            "keys": {self.api_key: self.api_secret},
            "rtc": {
                "node_ip": self._address,
                "use_external_ip": False,
                "enable_loopback_candidate": True,
                "ips": {"includes": [f"{self._address}/32"]},
                "udp_port": free_port(socket.SOCK_DGRAM),
                "tcp_port": 0,  # it would be bound on all addresses
                # with none given, clients are sent to public STUN servers; nothing answers here, and nothing
                # needs to (it must not be the media port: libwebrtc then takes media for STUN answers)
                "stun_servers": ["127.0.0.1:9"],
            },
            "room": self._room,
        }
        if self._webhook_urls:
            configuration["webhook"] = {"api_key": self.api_key, "urls": self._webhook_urls}
        return configuration

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()


async def _knows_our_key(client: api.LiveKitAPI) -> bool:
    """False while it does not answer, and when another server answers on a port that was taken."""
    try:
        await client.room.list_rooms(api.ListRoomsRequest())
    except (aiohttp.ClientError, api.TwirpError):
        return False
    return True
