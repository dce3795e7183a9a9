"""The programs of the demo, each a process of its own: LiveKit server, recognizer, token service, worker."""

from __future__ import annotations

import os
import re
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.errors import LocalPartError
from local.child import Child
from local.livekit.server import LiveKitServer
from local.ports import free_port
from local.ready import ROOT, died, ready_when
from local.service_client import ServiceClient
from local.surroundings import clean_environment

START_SECONDS: Final = 90.0
"""For each program; a busy machine may need it."""
USUAL_PORT: Final = 8000
PORT_TAKEN: Final = "Address already in use"
LISTENS: Final = "token service listens"

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Parts:
    """All of them, running."""

    livekit: LiveKitServer
    service: ServiceClient
    children: tuple[Child, ...]
    folder: Path
    """Of the logs."""
    database: Path

    def watches(self) -> list[Coroutine[None, None, None]]:
        """Each raises LocalPartError when its program has ended."""
        return [self.livekit.wait(), *(died(child) for child in self.children)]


@asynccontextmanager
async def running_parts(say: Say, port: int | None) -> AsyncIterator[Parts]:
    """Start everything and wait until the worker may be given rooms; end everything on leaving.

    Raises:
        LocalPartError: something did not start; says what, and shows the end of its log.
    """
    folder = Path(tempfile.mkdtemp(prefix="interview-demo-"))
    say(f"logs of all programs: {folder}")
    database = _database(folder)
    async with AsyncExitStack() as stack:
        livekit = await stack.enter_async_context(
            LiveKitServer(log_file=folder / "livekit-server.log", progress=say)
        )
        say(f"LiveKit server is up at {livekit.url}")
        programs = _Programs(stack, folder, {**livekit.env, "DATABASE_URL": f"sqlite:///{database}"})
        recognizer = await programs.start("recognizer", ["-m", "local.recognizer"], {})
        service, service_child = await programs.start_service(_service_port(port))
        await ready_when(recognizer, lambda: _address(recognizer) != "", seconds=START_SECONDS)
        say(f"recognizer is up at {_address(recognizer)} (Moonshine, on this machine)")
        worker = await programs.start_worker(_address(recognizer))
        try:
            await _is_up(service, service_child)
        except LocalPartError:
            if port is not None or PORT_TAKEN not in _log(service_child):
                raise
            service, service_child = await programs.start_service(free_port())  # somebody was faster
            await _is_up(service, service_child)
        say(f"token service is up at {service.base_url}")
        await ready_when(worker, lambda: "registered worker" in _log(worker), seconds=START_SECONDS)
        say("worker is up and waits for rooms")
        yield Parts(livekit, service, (recognizer, service_child, worker), folder, database)


class _Programs:
    """Starts our programs, each with its log; the stack ends them."""

    def __init__(self, stack: AsyncExitStack, folder: Path, settings: dict[str, str]) -> None:
        self._stack = stack
        self._folder = folder
        self._settings = settings

    async def start(self, name: str, arguments: list[str], settings: dict[str, str]) -> Child:
        """A Python program; it runs among the logs, where no `.env` changes its settings."""
        child = await Child.start(
            [sys.executable, *arguments],
            name=name,
            log_file=self._folder / f"{name}.log",
            env=clean_environment({**self._settings, **settings, "PYTHONPATH": str(ROOT)}),
            cwd=self._folder,
            grace_seconds=8,
        )
        return await self._stack.enter_async_context(child)

    async def start_service(self, port: int) -> tuple[ServiceClient, Child]:
        """The token service and a client of it."""
        settings = {"HOST": "127.0.0.1", "PORT": str(port)}
        child = await self.start("token-service", [str(ROOT / "token_service.py")], settings)
        client = ServiceClient(f"http://127.0.0.1:{port}")
        return await self._stack.enter_async_context(client), child

    async def start_worker(self, recognizer_url: str) -> Child:
        """The worker with the local recognizer; `dev` takes every room, however busy the machine is."""
        settings = {
            "ELEVENLABS_BASE_URL": recognizer_url,
            "ELEVENLABS_API_KEY": "local",
            "STT_LANGUAGE": "en",
        }
        return await self.start("worker", [str(ROOT / "worker.py"), "dev"], settings)


async def _is_up(service: ServiceClient, child: Child) -> None:
    """Wait for it; at its address somebody else may answer before it has found out."""
    await ready_when(child, lambda: LISTENS in _log(child), seconds=START_SECONDS)
    await ready_when(child, service.is_up, seconds=START_SECONDS)


def _log(child: Child) -> str:
    return child.log_file.read_text(encoding="utf-8", errors="replace")


def _address(child: Child) -> str:
    found = re.search(r"^ready (\S+)$", _log(child), re.MULTILINE)
    return found[1] if found else ""


def _database(folder: Path) -> Path:
    """./data/demo.db, or a file beside the logs when that cannot be written."""
    data = Path.cwd() / "data"
    try:
        data.mkdir(exist_ok=True)
    except OSError:
        return folder / "demo.db"
    return (data if os.access(data, os.W_OK) else folder) / "demo.db"


def _service_port(wanted: int | None) -> int:
    """The port asked for; else 8000, or a free one when that is taken."""
    if _is_free(wanted if wanted is not None else USUAL_PORT):
        return wanted if wanted is not None else USUAL_PORT
    if wanted is not None:
        raise LocalPartError(f"port {wanted} is taken; choose another one with --port, or leave it out")
    return free_port()


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
