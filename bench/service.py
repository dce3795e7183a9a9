"""Times of the token service: its start, a room, a token."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from bench.served import served
from local.livekit.server import LiveKitServer

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
    settings = {**livekit.env, "DATABASE_URL": f"sqlite:///{folder / 'service.db'}"}
    limit = aiohttp.ClientTimeout(total=CALL_SECONDS)
    began = time.monotonic()
    async with served(folder, settings) as (_, url), aiohttp.ClientSession(url, timeout=limit) as http:
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
