"""Voices and the LiveKit server stand for other machines: the workers must not hold up their sound."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Final

import psutil

NICENESS: Final = -4
"""Enough to be served first, not so much that the workers starve on a machine that is full."""


def prefer(pid: int) -> None:
    """Let a program and what it has started go before others, where the system allows it (root)."""
    with suppress(psutil.Error, PermissionError, ProcessLookupError):
        root = psutil.Process(pid)
        for process in (root, *root.children(recursive=True)):
            for thread in process.threads():  # Linux has a priority for each; new ones inherit it
                os.setpriority(os.PRIO_PROCESS, thread.id, NICENESS)
