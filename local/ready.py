"""Waiting for a child program to be ready, or to be told clearly why it is not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from pathlib import Path
from typing import Final, NoReturn, TypeVar

from agent.errors import LocalPartError
from local.child import Child

Result = TypeVar("Result")

POLL_SECONDS: Final = 0.05

ROOT: Final = Path(__file__).resolve().parent.parent
"""The project's folder: where `worker.py` is, and where the programs run."""


async def ready_when(
    child: Child,
    ready: Callable[[], bool] | Callable[[], Awaitable[bool]],
    *,
    seconds: float,
    what: str = "ready",
) -> None:
    """Returns once `ready` says so; it is asked every 50 ms.

    Raises:
        LocalPartError: the program ended, or was not ready in time; carries the tail of its log.
    """
    try:
        async with asyncio.timeout(seconds):
            while True:
                await check(child)
                answer = ready()
                if answer if isinstance(answer, bool) else await answer:
                    return
                await asyncio.sleep(POLL_SECONDS)
    except TimeoutError as error:
        raise LocalPartError(
            f"{child.name} was not {what} within {seconds:g} s. The end of {child.log_file}:\n{tail(child)}"
        ) from error


async def check(child: Child) -> None:
    """Raises LocalPartError, with the tail of its log, when the program has ended."""
    if not child.running:
        code = await child.wait()
        raise LocalPartError(
            f"{child.name} ended with code {code}. The end of {child.log_file}:\n{tail(child)}"
        )


async def died(child: Child) -> NoReturn:
    """Wait for the end of a program that should go on. Raises LocalPartError then."""
    await child.wait()
    await check(child)
    raise AssertionError("a child that was waited for still runs")


async def while_alive(
    work: Coroutine[None, None, Result], watches: Iterable[Coroutine[None, None, None]]
) -> Result:
    """The result of `work`; a watch raises when something that `work` needs has ended, which cancels `work`.

    Raises:
        LocalPartError: of the watch that raised first.
    """
    try:
        async with asyncio.TaskGroup() as group:
            watching = [group.create_task(watch, name="watch") for watch in watches]
            result = await work
            for watch in watching:
                watch.cancel()
    except ExceptionGroup as errors:
        raise _first(errors) from errors
    return result


def _first(errors: ExceptionGroup[Exception]) -> Exception:
    """The first error in a tree of them."""
    first = errors.exceptions[0]
    return _first(first) if isinstance(first, ExceptionGroup) else first


def tail(child: Child) -> str:
    """The last lines of its log, or that there are none."""
    return child.log_tail() or "(it printed nothing)"
