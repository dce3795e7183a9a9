"""What the workers hold at a moment, and what their logs complain of."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from bench.measure import program
from local.child import Child

COMPLAINTS: Final = (
    "Task was destroyed",
    "never retrieved",
    "was never awaited",
    '"action": "books_unbalanced"',
    '"action": "track_failed"',
    '"action": "item_lost"',
    "Unclosed client session",
)
"""Parts of log lines that no fault excuses."""


@dataclass(frozen=True, slots=True)
class Look:
    """One look at the process trees of all workers."""

    minute: float
    """Since the first meeting began; negative before."""
    pss_bytes: int
    """Memory, with shared pages shared out."""
    processes: int
    threads: int
    files: int
    """Open file descriptors."""


def look(workers: Iterable[Child], minute: float) -> Look:
    """Look at all that run."""
    pss = processes = threads = files = 0
    for worker in workers:
        if not worker.running:
            continue
        root = psutil.Process(program(worker.pid))
        for process in (root, *root.children(recursive=True)):
            try:
                with process.oneshot():
                    pss += process.memory_full_info().pss
                    threads += process.num_threads()
                    files += process.num_fds()
            except psutil.NoSuchProcess:
                continue  # it ended while we looked
            processes += 1
    return Look(minute, pss, processes, threads, files)


def complaints(logs: Iterable[Path]) -> dict[str, int]:
    """How often each of `COMPLAINTS` is in the logs; those that are not there are left out."""
    texts = [log.read_text(errors="replace") for log in logs]
    found = {part: sum(len(re.findall(re.escape(part), text)) for text in texts) for part in COMPLAINTS}
    return {part: times for part, times in found.items() if times}
