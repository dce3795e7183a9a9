"""One way to run a task beside a program: log a fault, wait a while, begin again, and show how it is.

    background = Background()
    async with run_beside(background, "courier", courier.run):
        ...

    running --fault--> failing --it has run for STEADY_SECONDS--> running
       |                  |
       +---- it returns --+--> over

A fault ends neither the program nor another task. A task may do without handling its own: whatever it raises
is logged when it is another fault than the last one, and the task begins again from the start.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Final, Literal

from agent.core.backoff import growing_pause
from agent.errors import TranscriptionError

log = logging.getLogger(__name__)

FIRST_SECONDS = 0.5
LONGEST_SECONDS = 30.0
"""Pauses before a task begins again: the first, and the longest."""
STEADY_SECONDS = 5.0
"""A task that has run this long after a fault is well again."""
STOP_SECONDS = 4.0
"""How long a task may take to end when its program does."""

State = Literal["running", "failing", "over"]
RUNNING: Final = "running"
FAILING: Final = "failing"
"""It waits for its next start, or for something it needs."""
OVER: Final = "over"
"""It has returned: there is nothing to do any more."""


class SideTask:
    """One task and how it is."""

    def __init__(self, name: str, is_held_up: Callable[[], bool]) -> None:
        self.name = name
        self.failures = 0
        """Faults since the start of the program."""
        self._is_held_up = is_held_up
        self._in_a_row = 0
        self._last_fault = ""
        self._over = False

    @property
    def state(self) -> State:
        """How it is now."""
        if self._over:
            return OVER
        return FAILING if self._in_a_row or self._is_held_up() else RUNNING

    async def keep(self, work: Callable[[], Awaitable[None]], first_seconds: float) -> None:
        """Run `work` until it returns; begin again after every fault."""
        while not self._over:
            steady = asyncio.get_running_loop().call_later(STEADY_SECONDS, self._recovered)
            try:
                await work()
                self._over = True
            except Exception as exc:  # noqa: BLE001 - the boundary
                self._failed(exc)
            finally:
                steady.cancel()
            if not self._over:
                await asyncio.sleep(growing_pause(self._in_a_row, first_seconds, LONGEST_SECONDS))

    def _failed(self, exc: Exception) -> None:
        self.failures += 1
        self._in_a_row += 1
        fault = f"{type(exc).__name__}: {exc}"
        if fault == self._last_fault:
            return
        self._last_fault = fault
        expected = isinstance(exc, TranscriptionError | OSError)
        log.log(
            logging.WARNING if expected else logging.ERROR,
            "background task failed and begins again",
            exc_info=None if expected else exc,
            extra={"action": "background_failed", "task": self.name, "error": fault},
        )

    def _recovered(self) -> None:
        if self._in_a_row:
            log.info(
                "background task is well again", extra={"action": "background_recovered", "task": self.name}
            )
        self._in_a_row, self._last_fault = 0, ""


class Background:
    """The tasks beside one program."""

    def __init__(self) -> None:
        self._tasks: dict[str, SideTask] = {}

    def add(self, task: SideTask) -> None:
        """A task that is about to run; another one of its name is over."""
        self._tasks[task.name] = task

    def states(self) -> Mapping[str, State]:
        """Name -> how it is now."""
        return {name: task.state for name, task in self._tasks.items()}

    def failures(self) -> Mapping[str, int]:
        """Name -> faults since the program's start."""
        return {name: task.failures for name, task in self._tasks.items()}


@asynccontextmanager
async def run_beside(
    background: Background,
    name: str,
    work: Callable[[], Awaitable[None]],
    *,
    is_held_up: Callable[[], bool] = lambda: False,
    first_seconds: float = FIRST_SECONDS,
) -> AsyncIterator[None]:
    """Run `work` during the block; it is cancelled at the block's end.

    `is_held_up`: True while the task waits, without a fault, for something it needs. `first_seconds`: the
    pause after the first fault; each further one in a row doubles it.
    """
    task = SideTask(name, is_held_up)
    background.add(task)
    running = asyncio.create_task(task.keep(work, first_seconds), name=name)
    try:
        yield
    finally:
        running.cancel()
        await asyncio.wait([running], timeout=STOP_SECONDS)
