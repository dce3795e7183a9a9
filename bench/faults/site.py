"""What a row breaks: a LiveKit server, a recognizer, a record, and workers as an operator runs them."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

import aiohttp
import psutil

from agent.errors import LocalPartError
from agent.store import open_store
from agent.store.protocol import Store
from bench.faults.priority import prefer
from bench.measure import program
from bench.recognizer import Recognizer, scripted_recognizer
from bench.subject import Subject, environment, our_worker
from local.child import Child
from local.far_host import FarHost
from local.livekit.server import LiveKitServer
from local.postgres import Postgres
from local.ready import ready_when
from local.tcp_proxy import TcpProxy

REGISTER_SECONDS = 60.0
CONTROL_SECONDS = 5.0
GRACE_SECONDS = 60.0
"""A worker that is told to stop hands its rooms over first."""


class Behind(StrEnum):
    """Who runs on the host behind a bad link."""

    WORKERS = "workers"
    VOICES = "voices"
    """The participants who talk."""
    RECOGNIZER = "recognizer"


class Site:
    """`async with Site(folder) as site: await site.have_workers(1)`; all of it ends with the block.

    Args:
        folder: for logs and the record; must be there.
        settings: for the workers, beside the usual ones.
        postgres: the server that holds the record, if one does.
        far: a host behind a link that can be made bad.
        behind: who runs there.
        proxied: the workers reach LiveKit's signalling and API through a proxy that can be broken.
    """

    def __init__(
        self,
        folder: Path,
        settings: Mapping[str, str] | None = None,
        *,
        postgres: Postgres | None = None,
        far: FarHost | None = None,
        behind: Behind = Behind.WORKERS,
        proxied: bool = False,
    ) -> None:
        self.folder = folder
        self.postgres = postgres
        self.far = far
        self._behind = behind
        self.proxy: TcpProxy | None = None
        self._proxied = proxied
        self.livekit = LiveKitServer(
            log_file=folder / "livekit.log",
            address=far.near_address if far else "127.0.0.1",
            progress=lambda _: None,
        )
        self.workers: list[Child] = []
        """Running ones that were not told to stop, the oldest first."""
        self.retired: list[Child] = []
        """Those that were told to stop, or were killed."""
        self._settings = dict(settings or {})
        self._started = 0
        self._stack = AsyncExitStack()
        self._recognizer: Recognizer | None = None
        self._http: aiohttp.ClientSession | None = None
        self._store: Store | None = None

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.livekit)
            prefer(self.livekit.pid)
            if self._proxied:
                self.proxy = await stack.enter_async_context(TcpProxy(self.livekit.port))
            self._recognizer = await stack.enter_async_context(
                scripted_recognizer(
                    self.folder,
                    host="0.0.0.0" if self.far_for(Behind.WORKERS) else "127.0.0.1",
                    far=self.far_for(Behind.RECOGNIZER),
                )
            )
            limit = aiohttp.ClientTimeout(total=CONTROL_SECONDS)
            self._http = await stack.enter_async_context(aiohttp.ClientSession(timeout=limit))
            self._store = open_store(self.database_url)
            stack.push_async_callback(self._store.aclose)
            stack.push_async_callback(self._stop_workers)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    @property
    def database_url(self) -> str:
        """Where the record is."""
        return self._settings.get("DATABASE_URL", f"sqlite:///{self.folder / 'record.db'}")

    @property
    def store(self) -> Store:
        """The record, to be read."""
        assert self._store is not None
        return self._store

    # ---- workers

    async def have_workers(self, count: int) -> None:
        """See to it that so many workers, no more, are running and registered."""
        for worker in [one for one in self.workers if not one.running] + self.workers[count:]:
            self.retire(worker)
            await _stop_at_once(worker)
        fresh = [await self.start_worker() for _ in range(count - len(self.workers))]
        for worker in fresh:
            await registered(worker)

    def retire(self, worker: Child) -> None:
        """It is not to be counted on any more."""
        if worker in self.workers:
            self.workers.remove(worker)
            self.retired.append(worker)

    async def start_worker(self) -> Child:
        """A further worker; returns at once, `registered` tells when it may be given rooms."""
        assert self._recognizer is not None
        self._started += 1
        subject = self._subject()
        far = self.far_for(Behind.WORKERS)
        child = await Child.start(
            far.command(subject.command) if far else subject.command,
            name=f"worker {self._started}",
            log_file=self.folder / f"worker-{self._started}.log",
            env=environment(
                subject,
                self.livekit.env,
                self.seen_from(Behind.WORKERS, self._recognizer.base_url),
                self.folder / "record.db",
            ),
            cwd=self.folder,
            grace_seconds=GRACE_SECONDS,
        )
        self.workers.append(child)
        return child

    def _subject(self) -> Subject:
        ours = our_worker()
        livekit = self.proxy.url if self.proxy else self.seen_from(Behind.WORKERS, self.livekit.url)
        url = {"LIVEKIT_URL": livekit}
        return Subject(ours.name, ours.command, env={"LOG_FORMAT": "json", **url, **self._settings})

    def far_for(self, who: Behind) -> FarHost | None:
        """The host behind the link if that is where `who` runs, else None."""
        return self.far if who is self._behind else None

    def seen_from(self, who: Behind, url: str) -> str:
        """The address at which `who` reaches a server of this machine."""
        far = self.far_for(who)
        return url.replace("127.0.0.1", far.near_address) if far else url

    async def _stop_workers(self) -> None:
        async with asyncio.TaskGroup() as group:
            for worker in (*self.workers, *self.retired):
                group.create_task(_stop_at_once(worker), name="stop worker")

    # ---- the recognizer

    async def set_faults(self, **faults: Any) -> None:
        """Replace the recognizer's faults (`local/recognizer/faults.py`); none makes it well."""
        await self._control("POST", "/control/faults", faults)

    async def faults_left(self) -> dict[str, Any]:
        """What is left to go wrong."""
        return await self._control("GET", "/control/faults")

    async def recognizer_stats(self) -> dict[str, Any]:
        """What the recognizer has seen."""
        return await self._control("GET", "/control/stats")

    async def _control(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        assert self._http is not None
        assert self._recognizer is not None
        url = self._recognizer.base_url.removesuffix("/v1") + path
        async with self._http.request(method, url, json=body) as answer:
            if answer.status != 200:
                raise LocalPartError(f"the recognizer refused {body}: {await answer.text()}")
            values: dict[str, Any] = await answer.json()
            return values


async def registered(worker: Child) -> None:
    """Wait until LiveKit may give rooms to the worker.

    Raises:
        LocalPartError: it ended, or took too long.
    """
    await ready_when(
        worker,
        lambda: "registered worker" in worker.log_file.read_text(errors="replace"),
        seconds=REGISTER_SECONDS,
        what="registered with LiveKit",
    )


def kill_tree(worker: Child) -> float:
    """End a worker and all its processes as a power cut does; the Unix time at which it was."""
    root = psutil.Process(program(worker.pid))
    tree = [root, *root.children(recursive=True)]
    for process in tree:
        _signal(process.pid, signal.SIGKILL)
    return time.time()


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return  # it has ended by itself


async def _stop_at_once(worker: Child) -> None:
    """Nobody is in a room any more: what does not end soon is killed."""
    if worker.running:
        os.kill(program(worker.pid), signal.SIGTERM)
        try:
            async with asyncio.timeout(10):
                await worker.wait()
        except TimeoutError:
            kill_tree(worker)
    await worker.stop()
