"""Times of the token service: its start, a room, a token."""

from __future__ import annotations

import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from local.child import Child
from local.livekit.server import LiveKitServer
from local.ready import ROOT, ready_when
from local.surroundings import clean_environment

ROOMS = 20
TOKENS = 50
CALL_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class ServiceTimes:
    """Measured from outside, over HTTP."""

    start_seconds: float
    """From the start of the process to the first answer."""
    room_seconds: tuple[float, ...]
    token_seconds: tuple[float, ...]


async def measure_service(livekit: LiveKitServer, folder: Path) -> ServiceTimes:
    """Start `token_service.py`, create rooms and tokens one after the other.

    Raises:
        LocalPartError: it did not start.
        aiohttp.ClientError: a call failed.
    """
    port = free_port()
    settings = {"HOST": "127.0.0.1", "PORT": str(port), "DATABASE_URL": f"sqlite:///{folder / 'service.db'}"}
    began = time.monotonic()
    child = await Child.start(
        [sys.executable, str(ROOT / "token_service.py")],
        name="token service",
        log_file=folder / "service.log",
        env=clean_environment({**livekit.env, **settings}),
        cwd=folder,  # no .env there
    )
    limit = aiohttp.ClientTimeout(total=CALL_SECONDS)
    async with child, aiohttp.ClientSession(f"http://127.0.0.1:{port}", timeout=limit) as http:

        async def answers() -> bool:
            try:
                async with http.get("/") as answer:
                    return answer.status == 200
            except aiohttp.ClientConnectionError:
                return False

        await ready_when(child, answers, seconds=30)
        start_seconds = time.monotonic() - began
        rooms = [await _timed(http, "/rooms/create", {"room_name": f"bench {n}"}) for n in range(ROOMS)]
        tokens = [
            await _timed(
                http,
                "/tokens/generate",
                {"room_name": "bench 0", "participant_identity": f"p{n}", "role": "candidate"},
            )
            for n in range(TOKENS)
        ]
    return ServiceTimes(start_seconds, tuple(rooms), tuple(tokens))


async def _timed(http: aiohttp.ClientSession, path: str, body: dict[str, str]) -> float:
    began = time.monotonic()
    async with http.post(path, json=body) as answer:
        answer.raise_for_status()
        await answer.read()
    return time.monotonic() - began


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
