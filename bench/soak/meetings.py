"""Rooms that are always in a meeting, one after the other; every word of each is counted."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import aiohttp
import psutil

from agent.errors import LocalPartError, StoreError
from bench.faults.play import end, settle
from bench.faults.pressure import Pressure
from bench.faults.row import Disturbance, Fault, Outcome
from bench.faults.scene import Scene
from bench.faults.site import Site
from bench.soak.storm import Storm

TALK_SECONDS: Final = 180.0
"""Of faults in one meeting."""
CALM_AFTER_SECONDS: Final = 12.0
"""Talk without a fault of the room before the end of a meeting."""
SETTLE_SECONDS: Final = 60.0
CLOSE_SECONDS: Final = 120.0
"""For a meeting beside its talk: joining, the last answers, the end."""


@dataclass(slots=True)
class Meetings:
    """All meetings of a run."""

    site: Site
    storm: Storm
    folder: Path
    scenes: dict[int, Scene] = field(default_factory=dict)
    """Number of the room -> the meeting that goes on in it."""
    outcomes: list[Outcome] = field(default_factory=list)

    async def in_room(self, number: int, until: float) -> None:
        """Meeting after meeting until the monotonic time `until`."""
        turn = 0
        while (left := until - time.monotonic()) > 0:
            turn += 1
            await self._meeting(number, turn, min(TALK_SECONDS, max(left, 20.0)))

    async def _meeting(self, number: int, turn: int, talk_seconds: float) -> None:
        name = f"soak room {number} meeting {turn}"
        folder = self.folder / f"{number}-{turn}"
        folder.mkdir()
        meeting = Fault(name, "soak", _calm, talk_seconds=talk_seconds + 110.0, patience_seconds=60.0)
        began, pressure = time.monotonic(), Pressure()
        try:
            async with asyncio.timeout(talk_seconds + SETTLE_SECONDS + CLOSE_SECONDS):
                outcome = await self._held(meeting, number, talk_seconds, folder)
        except TimeoutError:
            outcome = _broken_off(meeting, began, "the meeting did not come to its end")
        except (LocalPartError, StoreError, aiohttp.ClientError, psutil.Error, OSError) as error:
            outcome = _broken_off(meeting, began, f"{type(error).__name__}: {error}")
        self.scenes.pop(number, None)
        outcome = replace(outcome, waited_share=pressure.share())
        self.outcomes.append(outcome)
        words = f"{outcome.store.once} of {outcome.store.said} words once" if outcome.store else ""
        full = "" if outcome.waited_share is None else f"machine full {outcome.waited_share:.0%}"
        self.storm.say(f"{name}: " + "; ".join(part for part in (words, full, *outcome.broken) if part))

    async def _held(self, meeting: Fault, number: int, talk_seconds: float, folder: Path) -> Outcome:
        began = time.monotonic()
        async with Scene(self.site, meeting, meeting.name, folder) as scene:
            await scene.talk()
            await scene.first_text(meeting.patience_seconds)  # another room's fault may keep the recognizer
            self.scenes[number] = scene
            await self.storm.over_room(scene, time.monotonic() + talk_seconds)
            disturbance = await meeting.act(scene)
            recovered = await scene.recovery(disturbance.over)
            del self.scenes[number]
            await asyncio.sleep(CALM_AFTER_SECONDS)
            await scene.hush()
            await settle(scene, SETTLE_SECONDS)
            return await end(scene, disturbance, recovered, began)


async def _calm(_: Scene) -> Disturbance:
    """The storm is over."""
    now = time.time()
    return Disturbance(now, now)


def _broken_off(meeting: Fault, began: float, why: str) -> Outcome:
    return Outcome(meeting, None, None, 0.0, None, took_seconds=time.monotonic() - began, failure=why)
