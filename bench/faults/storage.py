"""Faults of the database."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from bench.faults.hosts import job_of
from bench.faults.row import Act, Disturbance
from bench.faults.scene import Scene
from bench.faults.site import kill_tree, registered

LOCKED_SECONDS: Final = 20.0
STOPPED_SECONDS: Final = 30.0
KILLED_SECONDS: Final = 3.0
FULL_SECONDS: Final = 15.0
BLOCK_BYTES: Final = 4096


class _Lock:
    """`with _Lock(file):` holds SQLite's one write lock, as a long foreign transaction does."""

    def __init__(self, database: Path) -> None:
        self._connection = sqlite3.connect(database, timeout=10, isolation_level=None)

    def __enter__(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")

    def __exit__(self, *_: object) -> None:
        self._connection.execute("ROLLBACK")
        self._connection.close()


async def locked(scene: Scene) -> Disturbance:
    """Somebody else holds the database for 20 s."""
    began = time.time()
    with _Lock(scene.site.folder / "record.db"):
        await asyncio.sleep(LOCKED_SECONDS)
    return Disturbance(began, time.time())


def postgres_away(seconds: float, *, killed: bool) -> Act:
    """PostgreSQL is stopped in order, or killed, and started again after so long."""

    async def act(scene: Scene) -> Disturbance:
        server = scene.site.postgres
        assert server is not None
        began = time.time()
        await asyncio.to_thread(server.kill if killed else server.halt)
        await asyncio.sleep(seconds)
        await asyncio.to_thread(server.resume)
        return Disturbance(began, time.time())

    return act


async def disk_full(scene: Scene) -> Disturbance:
    """Somebody else's file takes the last byte of the database's disk, for 15 s."""
    filler = scene.site.folder / "disk" / "filler"
    began = time.time()
    await asyncio.to_thread(_fill, filler)
    await asyncio.sleep(FULL_SECONDS)
    filler.unlink()
    return Disturbance(began, time.time())


def _fill(filler: Path) -> None:
    descriptor = os.open(filler, os.O_CREAT | os.O_WRONLY, 0o600)
    try:
        with suppress(OSError):  # no space left: that is the purpose
            while True:
                os.write(descriptor, bytes(BLOCK_BYTES))
    finally:
        os.close(descriptor)


async def worker_killed_meanwhile(scene: Scene) -> Disturbance:
    """The worker is killed while the database is locked: what it could not store waits on its disk."""
    site = scene.site
    began = time.time()
    with _Lock(site.folder / "record.db"):
        await asyncio.sleep(8)
        worker, _ = job_of(site, scene.room)
        kill_tree(worker)
        site.retire(worker)
        fresh = await site.start_worker()
        await asyncio.sleep(3)
    await registered(fresh)
    return Disturbance(began, time.time())
