"""Which fault comes when: chosen by seeded sources of chance, so that a run can be had again."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final

import psutil

from agent.errors import LocalPartError
from bench.faults import hosts, people
from bench.faults.recognizer import counted, lasting, refused
from bench.faults.row import Act, FaultAbsent
from bench.faults.scene import Scene

CALM_SECONDS: Final = (4.0, 14.0)
"""Between two faults of one kind, at least and at most."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Choice:
    """One fault that may come."""

    name: str
    act: Act
    weight: float
    """How often, beside the others."""
    most: int = 1000
    """How many times in one meeting."""


ROOM_FAULTS: Final = (
    Choice("ben mutes", people.mutes, 3),
    Choice("ben republishes", people.republishes, 2),
    Choice("ben rejoins", people.rejoins, 2),
    Choice("ben vanishes and rejoins", people.vanishes_and_rejoins, 1, most=2),
    Choice("ben joins twice", people.joins_twice, 1, most=1),
    Choice("job killed", hosts.job_killed, 1),
    Choice("a second job", hosts.asked_twice, 1),
)
"""Of one room."""

SITE_FAULTS: Final = (
    Choice("recognizer dropped", counted(drop_after_audio_seconds=0.5, drop_times=3), 4),
    Choice("recognizer dropped after commits", counted(drop_after_commit=True, drop_times=3), 3),
    Choice("recognizer dropped between copies", counted(drop_between_copies=True, drop_times=3), 2),
    Choice("recognizer refused for 8 s", refused(8, 503), 2),
    Choice("recognizer too busy", refused(4, 429, retry_after_seconds=2), 1),
    Choice("recognizer silent", counted(mute_commits=2), 1),
    Choice("recognizer answers twice", counted(double_answers=4), 2),
    Choice("recognizer slow", lasting(6, answer_delay_seconds=2.0), 1),
    Choice("recognizer malformed", counted(malformed_answers=2, malformation="missing_fields"), 1),
    Choice("recognizer error", counted(error_type="transcriber_error", error_when="audio", error_times=3), 2),
    Choice("worker told to stop", hosts.newest_replaced, 1),
)
"""Of all rooms."""


@dataclass(slots=True)
class Storm:
    """Chance, and what came of it."""

    seed: int
    say: Say
    happened: Counter[str] = field(default_factory=Counter)
    """How often each fault came."""
    failures: list[str] = field(default_factory=list)
    """What did not come back after a fault of the whole site."""

    async def over_room(self, scene: Scene, until: float) -> None:
        """Faults of one room until the monotonic time `until`.

        Raises:
            LocalPartError: something did not come back after a fault.
        """
        await self._blow(ROOM_FAULTS, Random(f"{self.seed} {scene.room}"), lambda: scene, until)

    async def over_site(self, scenes: dict[int, Scene], until: float) -> None:
        """Faults of all rooms until the monotonic time `until`; `scenes` are those in a meeting now."""
        random = Random(f"{self.seed} site")
        while time.monotonic() < until:
            try:
                await self._blow(SITE_FAULTS, random, lambda: next(iter(scenes.values()), None), until)
            except (LocalPartError, psutil.Error) as error:
                self.failures.append(f"{type(error).__name__}: {error}")
                self.say(self.failures[-1])

    async def _blow(
        self, choices: Sequence[Choice], random: Random, scene: Callable[[], Scene | None], until: float
    ) -> None:
        came: Counter[str] = Counter()
        while True:
            await asyncio.sleep(random.uniform(*CALM_SECONDS))
            if time.monotonic() > until:
                return
            victim = scene()
            if victim is None:
                continue
            possible = [one for one in choices if came[one.name] < one.most]
            choice = random.choices(possible, [one.weight for one in possible])[0]
            came[choice.name] += 1
            try:
                await choice.act(victim)
            except FaultAbsent as absent:
                self.say(f"{victim.room}: {choice.name} did not happen ({absent})")
                continue
            self.happened[choice.name] += 1
            self.say(f"{victim.room}: {choice.name}")
