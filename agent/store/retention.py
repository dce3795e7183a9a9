"""Erases sessions: one that is named, and those that have been over for longer than RETENTION_DAYS.

A token service does the latter in the background. Of several that share a database one has the lease.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

from agent.clock import timestamp
from agent.errors import StoreError
from agent.settings import Settings
from agent.store.erasure import Erasing, Expired, Tombstone
from agent.store.spool import erase_spools

log = logging.getLogger(__name__)

EVERY_SECONDS = 300.0
"""Between two looks for what has expired; whoever has the lease keeps it for three of them."""
BATCH = 20
"""Sessions in one look; when there were as many, the next look comes after `PAUSE_SECONDS`."""
PAUSE_SECONDS = 1.0
"""Between two full batches: meetings write to the same database."""


async def erase(
    store: Erasing, settings: Settings, room: str, session: str | None = None
) -> Tombstone | None:
    """Erase a session, see `Erasing.erase`, and what is spooled of it on this host.

    Spools of other hosts are removed there, at the latest when their worker tries to store them.

    Raises:
        StoreError: the database is away, or a spool cannot be removed; erasing again finishes it.
    """
    tombstone = await store.erase(room, session)
    if tombstone is not None:
        directory = Path(settings.spool_directory)
        try:
            await asyncio.to_thread(erase_spools, directory, tombstone.session)
        except OSError as exc:
            raise StoreError(f"{directory}: {exc.strerror or exc}") from exc
        extra = {"action": "transcript_erased", "room": room, "session": tombstone.session}
        log.info("transcript erased", extra=extra)
    return tombstone


class Retention:
    """Of one token service; `run` until cancelled."""

    def __init__(self, store: Erasing, settings: Settings, *, every_seconds: float = EVERY_SECONDS) -> None:
        """`settings.retention_days` must be above 0."""
        self._store = store
        self._settings = settings
        self._every_seconds = every_seconds
        self._holder = uuid4().hex
        self._unfinished: list[Expired] = []
        """Those whose erasing was cut short: at most a batch."""

    async def run(self) -> None:
        """Look again and again.

        Raises:
            StoreError: the database is away, or a session could not be erased wholly; run it again later.
        """
        while True:
            more = await self._look()
            await asyncio.sleep(min(PAUSE_SECONDS, self._every_seconds) if more else self._every_seconds)

    async def _look(self) -> bool:
        """Erase a batch, if it is ours to do; True when there may be more."""
        if not await self._store.may_erase_expired(self._holder, 3 * self._every_seconds):
            return False
        before = timestamp(datetime.now(UTC) - timedelta(days=self._settings.retention_days))
        fresh = await self._store.expired(before, BATCH)
        wanted, self._unfinished = dict.fromkeys([*self._unfinished, *fresh]), []
        refused: StoreError | None = None
        for one in wanted:
            try:
                await erase(self._store, self._settings, one.room, one.session)
            except StoreError as exc:
                refused = exc  # the others may be erased all the same
                self._unfinished.append(one)
        del self._unfinished[:-BATCH]
        if refused is not None:
            raise refused
        return len(fresh) == BATCH
