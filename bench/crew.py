"""The room processes of a run: started together, told when to speak, asked for their results."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from agent.errors import LocalPartError
from bench.exchange import LINE_LIMIT, RESULT, RoomPlan, RoomResult, write_plan
from local.child import Child
from local.ready import POLL_SECONDS, ROOT, check, tail

CONNECT_SECONDS = 30.0
HEARD_SECONDS = 90.0
"""Until every microphone has a subscriber."""
LEAVE_SECONDS = 15.0

Peer = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Crew:
    """Once entered, every microphone is heard by somebody; then `speak`, `results`, `leave`.

    Raises (on entering, and from `results`):
        LocalPartError: a room process ended or took too long; carries the tail of its log.
    """

    def __init__(self, plans: Sequence[RoomPlan], folder: Path) -> None:
        """`folder` takes the plans and the logs; all plans name the same socket."""
        self._plans = list(plans)
        self._folder = folder
        self._children: list[Child] = []
        self._peers: list[Peer] = []
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop()

    async def speak(self) -> None:
        """Tell every room to begin."""
        for _, writer in self._peers:
            writer.write(b"go\n")

    async def results(self, seconds: float) -> list[RoomResult]:
        """What was said and written in each room, once all have finished; `seconds` is the bound.

        They are also kept beside the plans, for whoever wants to know what became of a word.
        """
        lines = await self._lines(seconds, "done")
        for number, line in enumerate(lines):
            (self._folder / f"room-{number}-result.json").write_bytes(line)
        return [RESULT.validate_json(line) for line in lines]

    async def leave(self) -> None:
        """Everybody leaves; the processes end."""
        for _, writer in self._peers:
            writer.write(b"leave\n")
        with suppress(TimeoutError):  # who does not go is stopped
            async with asyncio.timeout(LEAVE_SECONDS):
                for child in self._children:
                    await child.wait()

    async def _start(self) -> None:
        self._server = await asyncio.start_unix_server(
            lambda reader, writer: self._peers.append((reader, writer)),
            self._plans[0].socket,
            limit=LINE_LIMIT,
        )
        for number, plan in enumerate(self._plans):
            path = self._folder / f"room-{number}.json"
            write_plan(plan, path)
            child = await Child.start(
                [sys.executable, "-m", "bench.room_process", str(path)],
                name=f"the speakers of {plan.room}",
                log_file=path.with_suffix(".log"),
                env=dict(os.environ),
                cwd=ROOT,
            )
            self._children.append(child)
        async with asyncio.timeout(CONNECT_SECONDS):
            while len(self._peers) < len(self._plans):
                for child in self._children:
                    await check(child)
                await asyncio.sleep(POLL_SECONDS)
        await self._lines(HEARD_SECONDS, "heard by anybody")

    async def _lines(self, seconds: float, what: str) -> list[bytes]:
        """The next line of every room process."""
        lines: list[bytes] = []
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                lines = [await reader.readline() for reader, _ in self._peers]
        if len(lines) < len(self._peers) or not all(lines):
            logs = "\n".join(f"{child.log_file}:\n{tail(child)}" for child in self._children)
            raise LocalPartError(f"not every speaker was {what} within {seconds:g} s. The logs:\n{logs}")
        return lines

    async def _stop(self) -> None:
        for _, writer in self._peers:
            writer.close()
        if self._server is not None:
            self._server.close()
        for child in self._children:
            await child.stop()
