"""Waiting for a child program to be ready, or to be told clearly why it is not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from agent.errors import LocalPartError
from local.child import Child

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


def tail(child: Child) -> str:
    """The last lines of its log, or that there are none."""
    return child.log_tail() or "(it printed nothing)"
