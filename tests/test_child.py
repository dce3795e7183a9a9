"""A child process ends when its starter does, however the starter ends."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from local.child import Child, kept

SLEEPER = "import time; time.sleep(600)"
STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("up", flush=True)
time.sleep(600)
"""
PARENT = f"""
import asyncio, sys
from pathlib import Path
from local.child import Child
async def main():
    async with await Child.start(
        [sys.executable, "-c", {SLEEPER!r}], name="sleeper", log_file=Path(sys.argv[1]), grace_seconds=1
    ) as child:
        print("up", flush=True)
        {{ending}}
        await child.wait()
asyncio.run(main())
"""


async def until(true: Callable[[], bool]) -> None:
    """Wait for something outside that sends no event; at most 15 s."""
    async with asyncio.timeout(15):
        while not true():  # noqa: ASYNC110 - a process table has no event
            await asyncio.sleep(0.02)


def descendants(pid: int) -> list[psutil.Process]:
    """Keeper and sleeper, once both are there."""
    children: list[psutil.Process] = psutil.Process(pid).children(recursive=True)
    return children


def gone(processes: list[psutil.Process]) -> bool:
    """True when none of them lives."""
    return not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in processes)


async def test_stop_ends_it_and_may_be_called_twice(tmp_path: Path) -> None:
    """Leaving the block ends the program; a second stop does no harm."""
    async with await Child.start(
        [sys.executable, "-c", SLEEPER], name="sleeper", log_file=tmp_path / "log"
    ) as child:
        assert child.running
        await child.stop()
        assert not child.running


async def test_a_program_that_ignores_sigterm_is_killed_after_the_grace(tmp_path: Path) -> None:
    """Nobody waits for a stubborn program."""
    log = tmp_path / "log"
    child = await Child.start(
        [sys.executable, "-c", STUBBORN], name="stubborn", log_file=log, grace_seconds=0.2
    )
    await until(lambda: "up" in log.read_text())
    await child.stop()
    assert await child.wait() == 128 + signal.SIGKILL


async def test_exit_code_and_log_are_kept(tmp_path: Path) -> None:
    """The code is the program's own; its output is in the file."""
    child = await Child.start(
        [sys.executable, "-c", "print('a'); print('b'); raise SystemExit(3)"],
        name="short",
        log_file=tmp_path / "log",
    )
    assert await child.wait() == 3
    assert child.log_tail(1) == "b"
    await child.stop()


async def test_a_program_that_is_not_there_says_so(tmp_path: Path) -> None:
    """127, as a shell has it, and the reason in the log."""
    child = await Child.start([str(tmp_path / "missing")], name="missing", log_file=tmp_path / "log")
    assert await child.wait() == 127
    assert "No such file" in child.log_tail()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
async def test_nothing_is_left_when_the_starter_is_ended(number: signal.Signals, tmp_path: Path) -> None:
    """The kernel closes the starter's end of the pipe, whatever ended it."""
    parent = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        PARENT.format(ending=""),
        str(tmp_path / "log"),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert parent.stdout is not None
    await parent.stdout.readline()
    await until(lambda: len(descendants(parent.pid)) == 2)
    children = descendants(parent.pid)
    parent.send_signal(number)
    await parent.wait()
    await until(lambda: gone(children))


async def test_nothing_is_left_when_the_starter_fails(tmp_path: Path) -> None:
    """An exception leaves the block, and the child with it."""
    parent = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        PARENT.format(ending="await asyncio.sleep(0.3); print(child._process.pid, flush=True); 1 / 0"),
        str(tmp_path / "log"),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert parent.stdout is not None
    await parent.stdout.readline()
    keeper = int(await parent.stdout.readline())
    assert await parent.wait() == 1
    assert not psutil.pid_exists(keeper)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ties a child to its parent in the kernel")
async def test_the_program_dies_with_a_killed_keeper(tmp_path: Path) -> None:
    """Even the keeper may be killed."""
    keeper = await asyncio.create_subprocess_exec(
        *kept([sys.executable, "-c", SLEEPER], grace_seconds=1), stdin=subprocess.PIPE
    )
    await until(lambda: len(descendants(keeper.pid)) == 1)
    program = descendants(keeper.pid)
    keeper.kill()
    await until(lambda: gone(program))
    await keeper.wait()
