"""A real PgBouncer before a PostgreSQL of `local.postgres`: transaction mode, loopback only, for tests.

`tests.browser.needs` finds the program, or installs Debian's package.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from agent.errors import LocalPartError
from local.child import kept
from local.ports import free_port, listens

START_SECONDS = 20.0
RUN_AS = "nobody"
"""PgBouncer refuses to run as root."""


class PgBouncer:
    """`with PgBouncer(binary, database_url) as pooler:`, then `pooler.url` leads to the same database."""

    def __init__(self, binary: Path, database_url: str, *, server_connections: int = 3) -> None:
        """`server_connections` bounds the connections to PostgreSQL, which all clients share by turns."""
        server = urlsplit(database_url)
        self._port = free_port()
        self._folder = Path(tempfile.mkdtemp(prefix="own-pgbouncer-"))
        self.url = server._replace(
            netloc=f"{server.username}:{server.password}@127.0.0.1:{self._port}"
        ).geturl()
        """The database's address through the pooler, in the form DATABASE_URL takes."""
        (self._folder / "users.txt").write_text(f'"{server.username}" "{server.password}"\n')
        (self._folder / "pgbouncer.ini").write_text(
            "[databases]\n"
            f"* = host={server.hostname} port={server.port}\n"
            "[pgbouncer]\n"
            f"listen_addr = 127.0.0.1\nlisten_port = {self._port}\nunix_socket_dir =\n"
            f"auth_type = scram-sha-256\nauth_file = {self._folder}/users.txt\n"
            f"pool_mode = transaction\ndefault_pool_size = {server_connections}\nmax_client_conn = 100\n"
        )
        self._command = [str(binary), "-q", str(self._folder / "pgbouncer.ini")]
        if os.geteuid() == 0:
            for path in (self._folder, *self._folder.iterdir()):
                shutil.chown(path, user=RUN_AS)
            self._command = ["setpriv", f"--reuid={RUN_AS}", "--clear-groups", "--", *self._command]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                kept(self._command, grace_seconds=2),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            self._wait_until_it_listens()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        process, self._process = self._process, None
        if process is not None:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(START_SECONDS)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _wait_until_it_listens(self) -> None:
        assert self._process is not None
        give_up = time.monotonic() + START_SECONDS
        while not listens(self._port):
            if self._process.poll() is not None or time.monotonic() > give_up:
                tail = (self._folder / "log").read_text(errors="replace")[-2000:]
                raise LocalPartError(f"PgBouncer did not start; the end of its log:\n{tail}")
            time.sleep(0.02)
