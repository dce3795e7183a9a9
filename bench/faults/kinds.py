"""The kinds of sites that rows need."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final

from agent.errors import LocalPartError
from bench.faults.row import NotPossibleHere
from bench.faults.site import Behind, Site
from local.far_host import FarHost
from local.postgres import Postgres

SMALL_DISK: Final = "8m"
FAR_NUMBER: Final = 77


@asynccontextmanager
async def _plain(folder: Path) -> AsyncIterator[Site]:
    """SQLite; a worker that is told to stop hands its rooms over at once."""
    async with Site(folder, {"DRAIN_SECONDS": "0"}) as site:
        yield site


@asynccontextmanager
async def _postgres(folder: Path) -> AsyncIterator[Site]:
    """PostgreSQL, one of its own."""
    server = await asyncio.to_thread(Postgres.start)
    try:
        url = await asyncio.to_thread(server.create_database)
        async with Site(folder, {"DRAIN_SECONDS": "0", "DATABASE_URL": url}, postgres=server) as site:
            yield site
    finally:
        await asyncio.to_thread(server.stop)


@asynccontextmanager
async def _small_disk(folder: Path) -> AsyncIterator[Site]:
    """SQLite on a disk of its own that a file can fill."""
    disk = folder / "disk"
    disk.mkdir()
    if os.geteuid() != 0:
        raise NotPossibleHere("only root may mount a small disk")
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK}", "tmpfs", str(disk)]
    mounted = await asyncio.to_thread(subprocess.run, mount, capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        raise NotPossibleHere(f"a small disk cannot be mounted: {mounted.stderr.strip()}")
    try:
        settings = {"DRAIN_SECONDS": "0", "DATABASE_URL": f"sqlite:///{disk / 'record.db'}"}
        async with Site(folder, settings) as site:
            yield site
    finally:
        unmount = ["umount", "--lazy", str(disk)]
        await asyncio.to_thread(subprocess.run, unmount, capture_output=True, check=False)


@asynccontextmanager
async def _far(folder: Path, behind: Behind) -> AsyncIterator[Site]:
    """Somebody is on another host, behind a link that can be made bad."""
    try:
        host = await asyncio.to_thread(FarHost(FAR_NUMBER).__enter__)
    except LocalPartError as error:
        raise NotPossibleHere(str(error)) from error
    try:
        async with Site(folder, {"DRAIN_SECONDS": "0"}, far=host, behind=behind) as site:
            yield site
    finally:
        host.heal()
        await asyncio.to_thread(host.__exit__, None, None, None)


@asynccontextmanager
async def _proxied(folder: Path) -> AsyncIterator[Site]:
    """The workers' signalling goes through a proxy that can be broken; media do not."""
    async with Site(folder, {"DRAIN_SECONDS": "0"}, proxied=True) as site:
        yield site


KINDS: Final[dict[str, Callable[[Path], AbstractAsyncContextManager[Site]]]] = {
    "plain": _plain,
    "hosts": _plain,
    "server": _plain,
    "sqlite": _plain,
    "postgres": _postgres,
    "small disk": _small_disk,
    "far host": partial(_far, behind=Behind.WORKERS),
    "far voices": partial(_far, behind=Behind.VOICES),
    "far recognizer": partial(_far, behind=Behind.RECOGNIZER),
    "proxied": _proxied,
}
"""Name of a kind -> its sites; rows under different names never share one."""


def open_site(kind: str, folder: Path) -> AbstractAsyncContextManager[Site]:
    """A site of a kind; logs and the record go to `folder`.

    Raises (on entering):
        NotPossibleHere: this machine cannot have one.
        LocalPartError: a part did not start.
    """
    return KINDS[kind](folder)
