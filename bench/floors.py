"""The floor processes of a run: one for each room, and beside them one for all rooms together."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from agent.errors import LocalPartError
from bench.floor import JOINED
from bench.measure import cpu_seconds, program
from local.child import Child
from local.livekit.server import LiveKitServer
from local.ready import ROOT, ready_when
from local.speakers import participant_token

JOIN_SECONDS = 30.0


class Floors:
    """Joins every room twice. Both costs come from one run, of the same packets."""

    def __init__(self, livekit: LiveKitServer, rooms: Sequence[str], folder: Path) -> None:
        self._livekit = livekit
        self._rooms = list(rooms)
        self._folder = folder
        self._a_room: list[Child] = []
        self._together: list[Child] = []

    async def __aenter__(self) -> Self:
        for number, room in enumerate(self._rooms):
            self._a_room.append(await self._start(f"floor-{number}", [room]))
        # With one room the two are the same thing.
        self._together = (
            [await self._start("floor-all", self._rooms)] if len(self._rooms) > 1 else self._a_room
        )
        for child in {*self._a_room, *self._together}:
            await ready_when(
                child,
                lambda child=child: JOINED in child.log_tail(1),
                seconds=JOIN_SECONDS,
                what="in its rooms",
            )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for child in {*self._a_room, *self._together}:
            await child.stop()

    async def _start(self, name: str, rooms: Sequence[str]) -> Child:
        key, secret = self._livekit.api_key, self._livekit.api_secret
        tokens = [participant_token(key, secret, room=room, identity=name) for room in rooms]
        return await Child.start(
            [sys.executable, "-m", "bench.floor", self._livekit.url, *tokens],
            name=name,
            log_file=self._folder / f"{name}.log",
            env=dict(os.environ),
            cwd=ROOT,
        )

    def cpu_seconds(self) -> tuple[float, float]:
        """So far: of the processes for a room each, and of the one for all."""
        a_room, together = (
            sum(cpu_seconds(program(child.pid)) for child in group)
            for group in (self._a_room, self._together)
        )
        return a_room, together

    async def received_seconds(self) -> float:
        """End the processes for a room each; the audio they got, all tracks together."""
        total = 0.0
        for child in self._a_room:
            await child.stop()
            try:
                total += float(json.loads(child.log_tail(1))["received_seconds"])
            except (ValueError, KeyError) as error:
                raise LocalPartError(f"{child.name} did not tell what it got:\n{child.log_tail()}") from error
        return total
