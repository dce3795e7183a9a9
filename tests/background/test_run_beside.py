"""A task beside a program: whatever it raises, it begins again, and everybody can see how it is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from agent.background.run_beside import (
    FAILING,
    LONGEST_SECONDS,
    OVER,
    RUNNING,
    STEADY_SECONDS,
    Background,
    run_beside,
)
from agent.errors import StoreError
from tests.session.virtual_time import in_virtual_time


class _Work:
    """Raises what it is given, one after the other; then it works on."""

    def __init__(self, *faults: Exception) -> None:
        self._faults = list(faults)
        self.began: list[float] = []
        self.over = asyncio.Event()

    async def run(self) -> None:
        self.began.append(asyncio.get_running_loop().time())
        if self._faults:
            raise self._faults.pop(0)
        await self.over.wait()


def _actions(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [(str(vars(line)["action"]), line.levelname) for line in caplog.records if "action" in vars(line)]


@in_virtual_time
async def test_a_task_that_fails_begins_again(caplog: pytest.LogCaptureFixture) -> None:
    """After growing pauses; it is failing until it has run for a while, and each new fault is logged once."""
    caplog.set_level("INFO")
    work, background = _Work(ValueError("a"), ValueError("a"), StoreError("away")), Background()
    async with run_beside(background, "work", work.run, first_seconds=1.0):
        await asyncio.sleep(0.5)
        assert background.states() == {"work": FAILING}
        await asyncio.sleep(7.0)
        assert background.states() == {"work": FAILING}
        assert background.failures() == {"work": 3}
        pauses = [later - earlier for earlier, later in zip(work.began, work.began[1:], strict=False)]
        assert pauses == pytest.approx([1.0, 2.0, 4.0], abs=0.01)
        await asyncio.sleep(STEADY_SECONDS)
        assert background.states() == {"work": RUNNING}
        work.over.set()
        await asyncio.sleep(1.0)
        assert background.states() == {"work": OVER}
    assert _actions(caplog) == [
        ("background_failed", "ERROR"),
        ("background_failed", "WARNING"),
        ("background_recovered", "INFO"),
    ]


@in_virtual_time
async def test_the_pause_is_bounded_and_starts_small_again() -> None:
    """A fault after a steady time is a first one."""
    work, background = _Work(*[StoreError("away")] * 12), Background()
    async with run_beside(background, "work", work.run):
        await asyncio.sleep(400.0)
        pauses = [later - earlier for earlier, later in zip(work.began, work.began[1:], strict=False)]
        assert max(pauses) == pytest.approx(LONGEST_SECONDS, abs=0.01)
        assert len(work.began) == 13


@in_virtual_time
async def test_a_fault_of_one_task_ends_no_other() -> None:
    """Nor the program: the block goes on."""
    broken, well, background = _Work(*[RuntimeError()] * 5), _Work(), Background()
    async with run_beside(background, "broken", broken.run), run_beside(background, "well", well.run):
        await asyncio.sleep(2.0)
        assert background.states() == {"broken": FAILING, "well": RUNNING}


@in_virtual_time
async def test_a_task_that_waits_for_something_is_failing() -> None:
    """Without a fault, while it says that it is held up."""
    held_up, work, background = [True], _Work(), Background()
    is_held_up: Callable[[], bool] = lambda: held_up[0]  # noqa: E731
    async with run_beside(background, "work", work.run, is_held_up=is_held_up):
        await asyncio.sleep(1.0)
        assert background.states() == {"work": FAILING}
        held_up[0] = False
        assert background.states() == {"work": RUNNING}


@in_virtual_time
async def test_the_end_of_the_block_ends_the_task() -> None:
    """Also while it waits for its next start; a task that will not end holds nobody up for long."""
    cancelled = asyncio.Event()

    async def stubborn() -> None:
        try:
            await asyncio.sleep(1000.0)
        finally:
            cancelled.set()
            await asyncio.sleep(10.0)

    background, work = Background(), _Work(*[StoreError("away")] * 9)
    loop = asyncio.get_running_loop()
    async with run_beside(background, "away", work.run), run_beside(background, "stubborn", stubborn):
        await asyncio.sleep(20.0)
        left_at, starts = loop.time(), len(work.began)
    assert cancelled.is_set()
    assert loop.time() - left_at < 5.0
    await asyncio.sleep(60.0)
    assert len(work.began) == starts
