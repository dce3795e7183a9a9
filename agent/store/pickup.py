"""Takes orphaned spools in: what a writer on this host could not store before it died, or was replaced.

The worker does it when it starts and then again and again, a job for its own session before it opens it, and
`python -m agent.store pickup` by hand. A file goes when all of it is stored; until then, again is harmless.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from agent.core.model import Gap, Item, Segment
from agent.core.rest import rest_of
from agent.core.totals import Totals
from agent.core.windows import Grid
from agent.errors import StoreError
from agent.settings import Settings
from agent.store import open_store
from agent.store.protocol import Imported, Origin, Store, Stored
from agent.store.spool import (
    ASIDE,
    DISK_SECONDS,
    Head,
    Held,
    Labels,
    Newer,
    Spooled,
    Sums,
    claimed,
    files_of,
    left_aside,
    read_page,
    session_of,
    spool_files,
)

log = logging.getLogger(__name__)

PAGE = 200
SETTLE_SECONDS = 180.0
"""A replaced writer's spool rests so long: until the successor has stored what both have heard."""
EVERY_SECONDS = 10.0
ASIDE_SECONDS = 3600.0
"""How often files that were left aside are checked for sessions that have been erased since."""


@dataclass(frozen=True, slots=True)
class _Facts:
    """What a spool says as a whole, from one look through it."""

    head: Head | None
    epoch: int
    """The highest in it."""
    labels: Labels | None
    sums: Sums | None
    unreadable: int
    newer: bool
    """Some of it can be read by a newer program only."""


def picker_for(settings: Settings) -> Picker:
    """Of this host's spools."""
    return Picker(
        Path(settings.spool_directory),
        window_seconds=settings.window_seconds,
        overlap_seconds=settings.window_overlap_seconds,
    )


class Picker:
    """Takes in the orphans of one directory."""

    def __init__(
        self,
        directory: Path,
        *,
        window_seconds: float = 20.0,
        overlap_seconds: float = 10.0,
        settle_seconds: float = SETTLE_SECONDS,
    ) -> None:
        """The windows are those of the sessions; see `SETTLE_SECONDS` for the last one."""
        self.directory = directory
        self._grid = Grid(window_seconds, overlap_seconds)
        self._settle_seconds = settle_seconds
        self._aside_at = 0.0
        """Loop time from which on files that were left aside are checked again."""

    async def pick_up(self, store: Store, session: str | None = None) -> int:
        """Take in all orphans, or those of one session; how many files are done and gone.

        Raises:
            OSError: the spools cannot be listed.
            StoreError: the store is away; what was not taken in stays.
        """
        done = 0
        refused: StoreError | None = None
        async with asyncio.timeout(DISK_SECONDS):
            paths = await asyncio.to_thread(self._files, session)
        for path in paths:
            try:
                with claimed(path) as file:
                    if file is not None:
                        done += await self._take_in(store, path, file)
            except StoreError as exc:
                refused = exc  # the others may be taken all the same
            except (OSError, ValueError) as exc:
                extra = {"action": "spool_failed", "file": path.name, "error": str(exc)}
                log.error("spool cannot be taken in", extra=extra)
        if session is None:
            await self._erase_aside(store)
        if refused is not None:
            raise refused
        return done

    async def _erase_aside(self, store: Store) -> None:
        """Remove files that were left aside and belong to sessions that are erased."""
        self._aside_at = asyncio.get_running_loop().time() + ASIDE_SECONDS
        for path in await asyncio.to_thread(left_aside, self.directory):
            if (await store.watched([session_of(path)]))[session_of(path)].erased:
                await self._erase(path, session_of(path))

    async def _erase(self, path: Path, session: str) -> None:
        await asyncio.to_thread(path.unlink, missing_ok=True)
        log.info("spool of an erased session removed", extra={"action": "spool_erased", "session": session})

    async def keep_picking_up(self, database_url: str) -> None:
        """Until cancelled. The store is opened only when there is something to take in.

        Raises:
            OSError: the spools cannot be listed.
            StoreError: the store is away; what was not taken in stays. Run it again later.
        """
        while True:
            if await self._any():
                store = await asyncio.to_thread(open_store, database_url)
                try:
                    await self.pick_up(store)
                finally:
                    await store.aclose()
            await asyncio.sleep(EVERY_SECONDS)

    async def _any(self) -> bool:
        if await asyncio.to_thread(self._files, None):
            return True
        due = asyncio.get_running_loop().time() >= self._aside_at
        return due and bool(await asyncio.to_thread(left_aside, self.directory))

    def _files(self, session: str | None) -> list[Path]:
        return spool_files(self.directory) if session is None else files_of(self.directory, session)

    async def _take_in(self, store: Store, path: Path, file: BinaryIO) -> bool:
        facts = await asyncio.to_thread(_look_through, file)
        if facts.newer:
            log.warning("spool waits for a newer worker", extra={"action": "spools_wait", "file": path.name})
            return False
        if facts.head is None:
            named = session_of(path)
            if (await store.watched([named]))[named].erased:
                await self._erase(path, named)
                return True
            # its writer died before it had written a line, or the disk has lost the first one: nobody's then
            log.error("spool has no head, left aside", extra={"action": "spool_torn", "file": path.name})
            await asyncio.to_thread(path.rename, path.with_suffix(ASIDE))
            return False
        head = facts.head
        origin = Origin(head.room, head.session, head.started_at, facts.epoch)
        found = await store.import_items(origin, [])
        if found.erased:
            await self._erase(path, head.session)
            return True
        rested = time.time() - (await asyncio.to_thread(path.stat)).st_mtime
        if not found.current and not found.ended and rested < self._settle_seconds:
            return False
        items = await self._import(store, origin, head.writer, file, found)
        if found.current:
            if facts.labels:
                await store.save_speakers(head.session, facts.epoch, facts.labels.speakers)
            if facts.sums:
                await store.save_accounting(head.session, facts.epoch, facts.sums.sums)
        elif found.ended:
            await self._put_together(store, origin)
        await asyncio.to_thread(path.unlink, missing_ok=True)
        extra = {"action": "spool_taken_in", "session": head.session, "items": items}
        log.info("spool taken in", extra=extra)
        if facts.unreadable:
            log.error(
                "lines of a spool could not be read",
                extra={"action": "spool_torn", "session": head.session, "lines": facts.unreadable},
            )
        return True

    async def _import(
        self, store: Store, origin: Origin, writer: str, file: BinaryIO, found: Imported
    ) -> int:
        """All items of a file, page by page; how many were taken."""
        known = [] if found.current else [one for _, one in await store.segments(origin.session)]
        taken = offset = 0
        while (page := await asyncio.to_thread(read_page, file, offset, PAGE)).next_offset > offset:
            offset = page.next_offset
            items = [entry for entry in page.entries if isinstance(entry, Spooled)]
            for epoch, group in groupby(items, key=lambda one: one.epoch):
                batch = [Stored(one.number, one.item) for one in group]
                source = replace(origin, writer="" if epoch else writer)
                imported = await store.import_items(
                    source, batch if found.current else _unheard(batch, known)
                )
                taken += sum(seq is not None for seq in imported.seqs)
        return taken

    async def _put_together(self, store: Store, origin: Origin) -> None:
        """A session that has ended got more words: windows and end once more, with all of them."""
        session = origin.session
        end = await store.end_of(session)
        if end is None:
            return  # it runs again: its writer sees by the numbers that something came
        totals = Totals(self._grid)
        totals.restore(
            [one for _, one in await store.segments(session)],
            [one for _, one in await store.windows(session)],
            [one for _, one in await store.gaps(session)],
            end.accounting,
        )
        news = totals.end(end.started_at, end.ended_at, totals.books.sums())
        if news[-1] == end:
            news.pop()
        items = [Stored(number, item) for number, item in enumerate(news, start=1)]
        await store.import_items(replace(origin, epoch=-1, writer=uuid4().hex), items)


def _look_through(file: BinaryIO) -> _Facts:
    head: Head | None = None
    labels: Labels | None = None
    sums: Sums | None = None
    epoch = unreadable = offset = 0
    newer = False
    while (page := read_page(file, offset, PAGE)).next_offset > offset:
        offset = page.next_offset
        unreadable += page.unreadable
        for entry in page.entries:
            match entry:
                case Head():
                    head = entry
                case Labels():
                    labels = entry
                case Sums():
                    sums = entry
                case Spooled() | Held():
                    epoch = max(epoch, entry.epoch)
                case Newer():
                    newer = True
    return _Facts(head, epoch, labels, sums, unreadable, newer)


def _unheard(items: Sequence[Stored], known: Sequence[Segment]) -> list[Stored]:
    """What a replaced writer adds to what is stored of others."""
    rest: list[Stored] = []
    for stored in items:
        item: Item | None = stored.item
        if isinstance(item, Segment):
            item = rest_of(item, known)
        if isinstance(item, Segment | Gap):
            rest.append(Stored(stored.seq, item))
    return rest
