"""The scene's side of a voice: its process, what it was told, what it said."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Self

from agent.errors import LocalPartError
from bench.faults.orders import TOLD, Done, Late, Link, Say, VoicePlan, write_plan
from bench.faults.priority import prefer
from bench.faults.voice import may_follow
from bench.measure import program
from local.child import Child
from local.far_host import FarHost
from local.marked_speech import word_number, word_text
from local.ready import ROOT, ready_when, tail

START_SECONDS = 40.0
ORDER_SECONDS = 70.0
"""Above what a voice waits for by itself."""


class CastVoice:
    """`async with CastVoice(plan, folder) as anna:`, then `await anna.order("join")`."""

    def __init__(self, plan: VoicePlan, folder: Path, far: FarHost | None = None) -> None:
        """`far`: the host where the voice runs, if it is another one."""
        self.plan = plan
        self._far = far
        self.said: list[Say] = []
        self.links: list[Link] = []
        """Changes of the voice's own connection."""
        self.latest_seconds = 0.0
        self._folder = folder
        self._child: Child | None = None
        self._server: asyncio.Server | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._done: asyncio.Queue[Done] = asyncio.Queue(maxsize=100)

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stop()

    async def order(self, order: str, *, seconds: float = ORDER_SECONDS) -> float:
        """Give an order and wait until it is carried out; the Unix time at which it was.

        Raises:
            LocalPartError: the voice has ended, or did not do it in time.
        """
        assert self._writer is not None
        assert self._child is not None
        self._writer.write(order.encode() + b"\n")
        try:
            async with asyncio.timeout(seconds):
                while (done := await self._done.get()).order != order:
                    pass
        except TimeoutError as error:
            raise LocalPartError(
                f"{self.plan.identity} did not {order} within {seconds:g} s:\n{tail(self._child)}"
            ) from error
        return done.at

    async def kill(self) -> float:
        """End the process as a power cut does; the Unix time at which it was."""
        assert self._child is not None
        os.kill(program(self._child.pid), signal.SIGKILL)
        at = time.time()
        await self._child.wait()
        last = word_number(self.said[-1].text) if self.said else None
        for number in may_follow(self.plan.first_word, last):
            self.said.append(Say(word_text(number), at, at, whole=False))  # sent or not, it was not told
        return at

    async def bye(self) -> None:
        """Leave, and end the process; does nothing when it has ended."""
        if self._child is None or self._writer is None or not self._child.running:
            return
        self._writer.write(b"bye\n")
        with suppress(TimeoutError):
            async with asyncio.timeout(15):
                await self._child.wait()

    async def _start(self) -> None:
        self._server = await asyncio.start_unix_server(self._listen, self.plan.socket)
        path = self._folder / f"{Path(self.plan.socket).name}.json"
        write_plan(self.plan, path)
        command = [sys.executable, "-m", "bench.faults.voice", str(path)]
        self._child = await Child.start(
            self._far.command(command) if self._far else command,
            name=f"the voice of {self.plan.identity}",
            log_file=path.with_suffix(".log"),
            env=dict(os.environ),
            cwd=ROOT,
        )
        await ready_when(
            self._child, lambda: self._writer is not None, seconds=START_SECONDS, what="connected"
        )
        prefer(self._child.pid)

    async def _listen(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        while line := await reader.readline():
            match TOLD.validate_json(line):
                case Say() as word:
                    self.said.append(word)
                case Done() as done:
                    self._done.put_nowait(done)
                case Link() as link:
                    self.links.append(link)
                case Late(seconds):
                    self.latest_seconds = max(self.latest_seconds, seconds)

    async def _stop(self) -> None:
        if self._writer is not None:
            self._writer.close()
        if self._server is not None:
            self._server.close()
        if self._child is not None:
            await self._child.stop()
