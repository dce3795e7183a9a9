"""Processor seconds and memory of a process and all its descendants."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import psutil


@dataclass(frozen=True, slots=True)
class Usage:
    """One look at a process tree."""

    cpu_seconds: float
    """User and system time since their start, of those that live and those that were waited for."""
    pss_bytes: int
    """Memory, with shared pages shared out among those who share them."""
    processes: int


def program(keeper_pid: int) -> int:
    """The process id of the program that a keeper (`Child.pid`) runs.

    Raises:
        psutil.NoSuchProcess: it has ended.
    """
    children = psutil.Process(keeper_pid).children()
    if not children:
        raise psutil.NoSuchProcess(keeper_pid)
    return int(children[0].pid)


def usage(pid: int) -> Usage:
    """Look at the tree of process `pid`.

    Raises:
        psutil.NoSuchProcess: it has ended.
    """
    cpu_seconds, pss_bytes, processes = 0.0, 0, 0
    for process in _tree(pid):
        try:
            with process.oneshot():
                times = process.cpu_times()
                pss = process.memory_full_info().pss
        except psutil.NoSuchProcess:
            continue  # it ended while we looked; its parent's times hold it from now on
        cpu_seconds += times.user + times.system + times.children_user + times.children_system
        pss_bytes += pss
        processes += 1
    return Usage(cpu_seconds, pss_bytes, processes)


def cpu_seconds(pid: int) -> float:
    """Processor seconds of the tree of process `pid` since its start; cheaper than `usage`."""
    total = 0.0
    for process in _tree(pid):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total


def _tree(pid: int) -> Iterator[psutil.Process]:
    root = psutil.Process(pid)
    yield root
    yield from root.children(recursive=True)
