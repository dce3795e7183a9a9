"""`token_service.py` as it is run: a process of its own, on a free port."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

ROOT = Path(__file__).parents[2]
START_SECONDS = 30


@dataclass(slots=True)
class RunningService:
    """A service that listens."""

    process: asyncio.subprocess.Process
    port: int
    client: httpx.AsyncClient
    lines: list[str]
    """What it has logged."""

    async def stop(self, number: int = signal.SIGTERM) -> int:
        """Its exit code after a signal."""
        if self.process.returncode is None:
            self.process.send_signal(number)
        async with asyncio.timeout(10):
            return await self.process.wait()


@asynccontextmanager
async def running_service(folder: Path, **env: str) -> AsyncIterator[RunningService]:
    """Start it with these settings and nobody else's; it is ended in any case."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(ROOT / "token_service.py"),
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "DATABASE_URL": "sqlite:///record.db",
            "PORT": "0",
            **env,
        },
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    lines: list[str] = []
    try:
        port = 0
        async with asyncio.timeout(START_SECONDS):
            while not port:
                line = (await process.stderr.readline()).decode()
                assert line, f"it ended: {lines}"
                lines.append(line)
                found = re.search(r"action=service_started .*port=(\d+)", line)
                port = int(found[1]) if found else 0
        async with (
            asyncio.TaskGroup() as group,
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=20) as client,
        ):
            reading = group.create_task(_keep(process.stderr, lines), name="read the log")
            service = RunningService(process, port, client, lines)
            yield service
            await service.stop()
            await reading
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _keep(stream: asyncio.StreamReader, lines: list[str]) -> None:
    async for line in stream:
        lines.append(line.decode())
