"""What some tests need besides .venv, found or installed once: Chromium, PgBouncer, npm packages."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from local.livekit.binary import cache_folder

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_PATH = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin"
"""Debian keeps servers where an ordinary user's PATH does not lead."""
INSTALL_SECONDS = 600
"""Bound of one command; Debian's package with all it needs takes about a minute."""


class MissingNeed(Exception):
    """Something is not on this machine and cannot be put there; the text says what, why, and what to do."""


@cache
def chromium() -> Path | MissingNeed:
    """The browser."""
    return _from_debian("Chromium", "chromium", PROGRAMS)


@cache
def pgbouncer() -> Path | MissingNeed:
    """A pooler of connections to PostgreSQL."""
    return _from_debian("PgBouncer", "pgbouncer", ("pgbouncer",))


def _from_debian(name: str, package: str, programs: Sequence[str]) -> Path | MissingNeed:
    """A program from PATH, else from Debian's package, which is installed where root runs the tests."""
    if found := _on_path(programs):
        return found
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return MissingNeed(
            f"needs {name} on PATH; Debian: apt-get install {package} (which root's tests do by themselves)"
        )
    with _alone():
        if found := _on_path(programs):  # another process has installed it meanwhile
            return found
        _say(f"installing Debian's {package}, up to a minute, only this once")
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        options = ("-qq", "-o", "DPkg::Lock::Timeout=300")
        try:
            _run(["apt-get", *options, "update"], env=quiet)
            _run(["apt-get", *options, "install", "-y", "--no-install-recommends", package], env=quiet)
        except MissingNeed as missing:
            return missing
    return _on_path(programs) or MissingNeed(f"apt-get has installed {package}, but it is not on PATH")


@cache
def npm() -> Path | MissingNeed:
    """Node's package manager, from PATH."""
    found = shutil.which("npm")
    return (
        Path(found) if found and shutil.which("node") else MissingNeed("needs Node.js 18 or later, and npm")
    )


@cache
def packages_of(folder: Path) -> MissingNeed | None:
    """Install what package-lock.json of `folder` says; does nothing when that was done already."""
    program = npm()
    if isinstance(program, MissingNeed):
        return program
    wanted = hashlib.sha256((folder / "package-lock.json").read_bytes()).hexdigest()
    stamp = folder / "node_modules" / ".installed"
    with _alone():
        if stamp.exists() and stamp.read_text() == wanted:
            return None
        _say(f"npm ci in {folder.name}")
        try:
            _run([str(program), "ci", "--no-audit", "--no-fund"], cwd=folder)
        except MissingNeed as missing:
            return missing
        stamp.write_text(wanted)
    return None


def _on_path(programs: Sequence[str]) -> Path | None:
    return next((Path(found) for name in programs if (found := shutil.which(name, path=_PATH))), None)


def _run(command: list[str], cwd: Path | None = None, env: dict[str, str] | None = None) -> None:
    try:
        done = subprocess.run(
            command, cwd=cwd, env=env, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise MissingNeed(f"`{' '.join(command)}` took longer than {INSTALL_SECONDS} s") from error
    if done.returncode != 0:
        raise MissingNeed(f"`{' '.join(command)}` failed: {(done.stdout + done.stderr)[-600:].strip()}")


@contextmanager
def _alone() -> Iterator[None]:
    """One process of the test run at a time; the kernel lets go when it dies."""
    cache_folder().mkdir(parents=True, exist_ok=True)
    with (cache_folder() / "browser-tests.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _say(line: str) -> None:
    print(f"tests: {line}", file=sys.stderr, flush=True)
