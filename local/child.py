"""A child process that cannot outlive its starter: how the local parts and the demo run programs."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

_KEEPER = Path(__file__).with_name("keeper.py")


def kept(command: Sequence[str], grace_seconds: float) -> list[str]:
    """The command line that runs `command` under the keeper; its standard input must be a pipe we hold."""
    return [sys.executable, "-I", "-S", str(_KEEPER), str(grace_seconds), *command]


class Child:
    """One running program, in a process group of its own so that Ctrl-C reaches it only through us.

    Its output goes to `log_file`. Leaving `async with` stops it; so does the death of this process.
    """

    def __init__(
        self, name: str, process: asyncio.subprocess.Process, log_file: Path, grace_seconds: float
    ) -> None:
        self.name = name
        """What it is called in messages."""
        self.log_file = log_file
        self._process = process
        self._grace_seconds = grace_seconds

    @classmethod
    async def start(
        cls,
        command: Sequence[str],
        *,
        name: str,
        log_file: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        grace_seconds: float = 5.0,
    ) -> Self:
        """Start `command`; `grace_seconds` is what it has between SIGTERM and SIGKILL.

        `env` None hands on the environment of this process.
        """
        with log_file.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *kept(command, grace_seconds),
                stdin=asyncio.subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=None if env is None else dict(env),
                cwd=cwd,
                start_new_session=True,
            )
        return cls(name, process, log_file, grace_seconds)

    @property
    def running(self) -> bool:
        """False once it has ended."""
        return self._process.returncode is None

    @property
    def pid(self) -> int:
        """Process id of the keeper, whose only child the program is: for measurements."""
        return self._process.pid

    async def wait(self) -> int:
        """Its exit code, when it has ended; 128 + n for signal n."""
        return await self._process.wait()

    async def stop(self) -> None:
        """End it: SIGTERM, then SIGKILL after the grace; safe to call twice."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            async with asyncio.timeout(self._grace_seconds + 5):
                await self._process.wait()
        except TimeoutError:
            # the keeper itself hangs, which only a stopped (SIGSTOP) machine part explains
            self._process.kill()
            await self._process.wait()

    def log_tail(self, lines: int = 15) -> str:
        """The last lines it wrote, for an error message."""
        text = self.log_file.read_text(encoding="utf-8", errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()
