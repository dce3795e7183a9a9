"""The scripted recognizer in a process of its own, and what it counted."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp

from local.child import Child
from local.far_host import FarHost
from local.ready import ROOT, ready_when

ANSWER_DELAY_SECONDS: Final = 0.05
START_SECONDS: Final = 30.0
STATS_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Recognizer:
    """A running one."""

    base_url: str
    """Ends in /v1."""

    async def audio_seconds(self) -> float:
        """Audio received since it started."""
        return float((await self._stats())["audio_seconds"])

    async def open_sessions(self) -> int:
        """Sessions open now."""
        return int((await self._stats())["open_sessions"])

    async def _stats(self) -> dict[str, float]:
        url = self.base_url.removesuffix("/v1") + "/control/stats"
        limit = aiohttp.ClientTimeout(total=STATS_SECONDS)
        async with aiohttp.ClientSession(timeout=limit) as http, http.get(url) as answer:
            answer.raise_for_status()
            stats: dict[str, float] = await answer.json()
            return stats


@asynccontextmanager
async def scripted_recognizer(
    folder: Path, host: str = "127.0.0.1", *, far: FarHost | None = None
) -> AsyncIterator[Recognizer]:
    """Run one that listens on `host`, and is reached by us on 127.0.0.1; its log goes to `folder`.

    `far`: run it on that host instead, where we reach it through its link.

    Raises:
        LocalPartError: it did not start.
    """
    command = [sys.executable, "-m", "local.recognizer", "--engine", "scripted"]
    listens = far.far_address if far else host
    command += ["--host", listens, "--answer-delay", str(ANSWER_DELAY_SECONDS), "--port", "0"]
    child = await Child.start(
        far.command(command) if far else command,
        name="recognizer",
        log_file=folder / "recognizer.log",
        env=dict(os.environ),
        cwd=ROOT,
    )
    async with child:
        await ready_when(child, lambda: _address(child) is not None, seconds=START_SECONDS)
        address = _address(child) or ""
        yield Recognizer(address if far else address.replace(host, "127.0.0.1"))


def _address(child: Child) -> str | None:
    found = re.search(r"^ready (\S+)$", child.log_file.read_text(errors="replace"), re.MULTILINE)
    return found[1] if found else None
