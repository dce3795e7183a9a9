"""Faults of the recognizer, as acts of a row."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any, Final

from agent.errors import LocalPartError
from bench.faults.row import Act, Disturbance, FaultAbsent
from bench.faults.scene import Scene

HAPPEN_SECONDS: Final = 20.0
POLL_SECONDS: Final = 0.1
COUNTED: Final = (
    "drop_times",
    "error_times",
    "refuse_times",
    "mute_commits",
    "double_answers",
    "malformed_answers",
    "echo_partials",
)


def counted(**faults: Any) -> Act:
    """A fault that happens so many times; over when the last one has happened."""
    names = [name for name in COUNTED if name in faults]
    assert names, "a fault without a count never is over"

    async def act(scene: Scene) -> Disturbance:
        began = time.time()
        await scene.site.set_faults(**faults)
        give_up = time.monotonic() + HAPPEN_SECONDS
        while left := await _left(scene, names):
            if time.monotonic() > give_up:
                await scene.site.set_faults()
                raise FaultAbsent(f"the recognizer still has to do {left}")
            await asyncio.sleep(POLL_SECONDS)
        await scene.site.set_faults()
        return Disturbance(began, time.time())

    return act


async def _left(scene: Scene, names: Sequence[str]) -> dict[str, int]:
    """The counts that are not at zero yet."""
    left = await scene.site.faults_left()
    return {name: left[name] for name in names if left[name]}


def lasting(seconds: float, **faults: Any) -> Act:
    """A fault that is there for so long, then the recognizer is well."""

    async def act(scene: Scene) -> Disturbance:
        began = time.time()
        await scene.site.set_faults(**faults)
        await asyncio.sleep(seconds)
        await scene.site.set_faults()
        return Disturbance(began, time.time())

    return act


def refused(seconds: float, status: int, **faults: Any) -> Act:
    """Open sessions are dropped, and new ones refused for so long."""

    async def act(scene: Scene) -> Disturbance:
        before = (await scene.site.recognizer_stats())["sessions_refused"]
        disturbance = await lasting(seconds, drop_now=True, refuse_status=status, **faults)(scene)
        if (await scene.site.recognizer_stats())["sessions_refused"] == before:
            raise FaultAbsent("nobody was refused")
        return disturbance

    return act


def one_by_one(*many: dict[str, Any]) -> Act:
    """Counted faults, each after text has come again."""

    async def act(scene: Scene) -> Disturbance:
        began = time.time()
        for faults in many:
            disturbance = await counted(**faults)(scene)
            if await scene.recovery(disturbance.over) is None:
                raise LocalPartError(f"no text after {faults}")
        return Disturbance(began, disturbance.over)

    return act
