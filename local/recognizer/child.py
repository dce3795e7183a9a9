"""The local recognizer as a child process: for programs that need one beside them."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from agent.errors import LocalPartError
from local.child import Child

READY_SECONDS = 60.0
POLL_SECONDS = 0.05


@asynccontextmanager
async def local_recognizer(engine: str = "moonshine", *options: str) -> AsyncIterator[str]:
    """Start it, give its base URL (ends in /v1) once it is ready, end it on leaving.

    `options` are further arguments of `python -m local.recognizer`.

    Raises:
        LocalPartError: it did not get ready; the message has the end of its log.
    """
    command = [sys.executable, "-m", "local.recognizer", "--engine", engine, *options]
    with tempfile.TemporaryDirectory(prefix="recognizer-") as folder:
        log_file = Path(folder) / "recognizer.log"
        async with await Child.start(
            command, name="recognizer", log_file=log_file, cwd=Path(__file__).parents[2]
        ) as child:
            yield await _base_url(child)


async def _base_url(child: Child) -> str:
    try:
        async with asyncio.timeout(READY_SECONDS):
            while child.running:
                for line in child.log_file.read_text(encoding="utf-8").splitlines():
                    if line.startswith("ready "):
                        return line.removeprefix("ready ")
                await asyncio.sleep(POLL_SECONDS)
    except TimeoutError:
        pass
    raise LocalPartError(
        f"the local recognizer did not get ready; `make setup` installs what it needs. Its last lines:\n"
        f"{child.log_tail()}"
    )
