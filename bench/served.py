"""The token service under measurement, in a process of its own."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from local.child import Child
from local.ports import free_port
from local.ready import ROOT, ready_when
from local.surroundings import clean_environment

START_SECONDS = 60.0


@asynccontextmanager
async def served(folder: Path, settings: Mapping[str, str]) -> AsyncIterator[tuple[Child, str]]:
    """`token_service.py` with these settings, and its address; it has answered, and ends with the block.

    Raises:
        LocalPartError: it did not start.
    """
    port = free_port()
    child = await Child.start(
        [sys.executable, str(ROOT / "token_service.py")],
        name="token service",
        log_file=folder / "service.log",
        env=clean_environment({"HOST": "127.0.0.1", "PORT": str(port), **settings}),
        cwd=folder,  # no .env there
    )
    url = f"http://127.0.0.1:{port}"
    async with child:
        async with aiohttp.ClientSession(url, timeout=aiohttp.ClientTimeout(total=5.0)) as http:

            async def answers() -> bool:
                try:
                    async with http.get("/") as answer:
                        return answer.status == 200
                except aiohttp.ClientConnectionError:
                    return False

            await ready_when(child, answers, seconds=START_SECONDS)
        yield child, url
