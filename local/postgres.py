"""A real PostgreSQL of one's own: loopback only, a throw-away folder, gone with its starter.

The programs come from PATH, else from Debian's package, else from the PyPI package pgserver (part of the
development requirements). PostgreSQL refuses to run as root, so root hands it to another user.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import asyncpg
import psutil

from agent.errors import LocalPartError
from local.child import kept
from local.ports import free_port

_COMMAND_SECONDS = 60
_USER = "tester"


class Postgres:
    """`with Postgres.start() as server:`, then `server.create_database()` gives a URL."""

    def __init__(self, binaries: Path, folder: Path, runner: list[str]) -> None:
        self._binaries = binaries
        self._folder = folder
        self._runner = runner
        """Goes before each command: makes root another user."""
        self._password = secrets.token_urlsafe(16)
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @classmethod
    def start(cls, binaries: Path | None = None) -> Self:
        """Make a cluster and start it; `binaries` None looks for the programs.

        Raises:
            LocalPartError: no programs, or they do not start; says what to do.
        """
        folder = Path(tempfile.mkdtemp(prefix="own-postgres-"))
        server = None
        try:
            server = cls(*_usable(binaries or find_binaries(), folder))
            server._initialise()
            server._launch()
        except BaseException:
            if server:
                server.stop()
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return server

    def create_database(self) -> str:
        """URL of a fresh database, in the form DATABASE_URL takes."""
        name = f"test_{secrets.token_hex(6)}"
        self._execute(f"CREATE DATABASE {name}")
        return self._url(name)

    def drop_database(self, url: str) -> None:
        """Remove it, and whoever is still connected to it."""
        self._execute(f"DROP DATABASE IF EXISTS {url.rpartition('/')[2]} WITH (FORCE)")

    def stop(self) -> None:
        """End the server and remove all it wrote; safe to call twice."""
        self.halt()
        shutil.rmtree(self._folder, ignore_errors=True)

    def halt(self) -> None:
        """End the server in order; its databases stay for `resume`. Safe to call twice."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            self._run("pg_ctl", "stop", "-D", str(self._data), "-m", "fast", "-s")
        assert process.stdin is not None
        process.stdin.close()
        process.wait(_COMMAND_SECONDS)

    def kill(self) -> None:
        """End all its processes as a power cut does; what it had committed stays for `resume`."""
        process, self._process = self._process, None
        if process is None:
            return
        for one in psutil.Process(process.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                one.kill()
        process.wait(_COMMAND_SECONDS)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """All its processes stand still: connections stay, and nobody answers."""
        assert self._process is not None
        processes = psutil.Process(self._process.pid).children(recursive=True)
        for one in processes:
            one.suspend()
        try:
            yield
        finally:
            for one in processes:
                with suppress(psutil.NoSuchProcess):
                    one.resume()

    def resume(self) -> None:
        """Start it again, on the same port.

        Raises:
            LocalPartError: it does not start.
        """
        self._launch()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    def _url(self, database: str) -> str:
        return f"postgresql://{_USER}:{self._password}@127.0.0.1:{self._port}/{database}"

    def _initialise(self) -> None:
        password_file = self._folder / "password"
        password_file.write_text(self._password)
        shutil.chown(password_file, user=self._folder.owner())
        self._run(
            "initdb",
            *("-D", str(self._data), "-U", _USER, "-E", "UTF8", "--locale=C", "--no-sync"),
            *("--auth=scram-sha-256", f"--pwfile={password_file}"),
        )

    def _launch(self) -> None:
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(self._port),
            "unix_socket_directories": "",
            "fsync": "off",
            "full_page_writes": "off",
            "shared_buffers": "16MB",
        }
        flags = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        command = [*self._runner, str(self._binaries / "postgres"), "-D", str(self._data), *flags]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                kept(command, grace_seconds=5),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        give_up = time.monotonic() + _COMMAND_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > give_up:
                tail = (self._folder / "log").read_text(errors="replace")[-2000:]
                raise LocalPartError(f"PostgreSQL did not start; the end of its log:\n{tail}")
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            self._execute("SELECT 1")
        except (OSError, asyncpg.CannotConnectNowError):
            return False
        return True

    def _execute(self, statement: str) -> None:
        async def run() -> None:
            connection = await asyncpg.connect(self._url("postgres"), timeout=10)
            try:
                await connection.execute(statement, timeout=_COMMAND_SECONDS)
            finally:
                await connection.close(timeout=10)

        _in_own_loop(run())

    def _run(self, program: str, *arguments: str) -> None:
        command = [*self._runner, str(self._binaries / program), *arguments]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_COMMAND_SECONDS, check=False, cwd=self._folder
        )
        if done.returncode != 0:
            raise LocalPartError(f"`{' '.join(command)}` failed:\n{done.stdout}{done.stderr}")


def find_binaries() -> Path:
    """The folder with initdb and postgres.

    Raises:
        LocalPartError: there is none.
    """
    on_path = shutil.which("initdb")
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    for initdb in [*([Path(on_path)] if on_path else []), *reversed(debian), packaged_binaries() / "initdb"]:
        folder = initdb.resolve().parent
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    raise LocalPartError(
        "PostgreSQL's initdb and postgres are missing: install Debian's postgresql, or run make setup"
    )


def packaged_binaries() -> Path:
    """Where the PyPI package pgserver keeps its programs; the folder need not exist."""
    package = importlib.util.find_spec("pgserver")
    assert package is None or package.origin is not None
    return Path(package.origin if package and package.origin else "none").parent / "pginstall" / "bin"


def _usable(binaries: Path, folder: Path) -> tuple[Path, Path, list[str]]:
    """The arguments of `Postgres`: programs and folder that the user it runs as can reach."""
    if os.geteuid() != 0:
        return binaries, folder, []
    user = next(name for name in ("postgres", "nobody") if _exists(name))
    shutil.chown(folder, user=user)
    runner = ["setpriv", f"--reuid={user}", f"--regid={pwd.getpwnam(user).pw_gid}", "--clear-groups", "--"]
    probe = subprocess.run([*runner, str(binaries / "initdb"), "--version"], capture_output=True, check=False)
    if probe.returncode != 0:  # below a folder that only root may enter
        binaries = Path(shutil.copytree(binaries.parent, folder / "programs", symlinks=True)) / binaries.name
    return binaries, folder, runner


def _exists(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True


def _in_own_loop(work: Coroutine[Any, Any, None]) -> None:
    """Run it beside the test's own event loop, if there is one."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, work).result()
