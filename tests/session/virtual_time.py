"""An event loop whose time passes only when nothing is left to do: an hour of meeting takes a moment.

    @in_virtual_time
    async def test_something(tmp_path): ...

Sleeps and timeouts end in their order and at once. `time.monotonic` and `time.time` say the loop's time
meanwhile. Work for threads is done in line. For tests without sockets, processes and threads.
"""

from __future__ import annotations

import asyncio
import functools
import selectors
import time
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Executor
from typing import Any, ParamSpec
from unittest.mock import patch

from agent.errors import TranscriptionError

P = ParamSpec("P")

START = 10_000.0
"""What the clock says at the beginning, seconds."""
TURN_SECONDS = 1e-6
"""What a turn of the loop takes: a timer that is due by a rounding error only must not be due forever."""


class _Selector(selectors.SelectSelector):
    """In place of waiting, moves the clock."""

    now = START

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            raise RuntimeError("nothing is left that could happen: the test waits forever")
        self.now += max(timeout, 0.0) + TURN_SECONDS
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """See the module's docstring."""

    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        """Virtual seconds."""
        return self._virtual.now

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """Done at once: a thread would take real time."""
        done = self.create_future()
        try:
            done.set_result(func(*args))
        except (OSError, ValueError, RuntimeError, TranscriptionError) as exc:
            done.set_exception(exc)
        return done


def in_virtual_time(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run an async test on a `VirtualLoop`."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        loop = VirtualLoop()
        began = time.time() - START
        with (
            patch.object(time, "monotonic", loop.time),
            patch.object(time, "time", lambda: began + loop.time()),
            patch("agent.store.memory.monotonic", loop.time),
            patch("agent.store.memory_supervision.monotonic", loop.time),
            asyncio.Runner(loop_factory=lambda: loop) as runner,
        ):
            runner.run(test(*args, **kwargs))

    return run


async def until(holds: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait, in virtual time, for what nothing announces."""
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.01)


async def ended(running: Awaitable[Any], seconds: float = 120.0) -> None:
    """Wait for the end of something, in virtual time."""
    async with asyncio.timeout(seconds):
        await running
