"""What waits for the store: in memory, and once there is trouble in the spool as well, as one queue.

The spool is read again only for what memory has let go of; else it is there for whoever comes after us.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from agent.core.backlog import Backlog, Losses, Waiting, same_epoch
from agent.core.model import Accounting, Item, Speaker
from agent.errors import SpoolError
from agent.store.protocol import Stored
from agent.store.spool import Entry, Held, Labels, Spool, Spooled, Sums

log = logging.getLogger(__name__)

BATCH = 200


class Pending:
    """The queue of one recorder. Items have its count as their number, from 1."""

    def __init__(self, spool: Spool, items_in_memory: int) -> None:
        """`items_in_memory`: beyond it the oldest are on disk alone; what is not even there is given up."""
        self._spool = spool
        self._backlog = Backlog(items_in_memory)
        self._states: dict[type, Entry] = {}
        """Labels, sums and epoch that are not on disk yet."""
        self._spilling = asyncio.Lock()
        self._failing = False
        self._left_behind = False
        self._read_to = 0
        """Bytes of the spool."""
        self._in_hand: Sequence[Waiting] = ()
        """Read from there."""
        self.erased = False
        """True when the session was erased."""
        self.epoch = 0
        """Under which items are recorded; 0 until the session is open."""
        self.first = 0
        """What is added to an item's count to get the seq that is asked for."""

    @property
    def empty(self) -> bool:
        """True when all items are stored, or were given up."""
        return self._backlog.empty

    @property
    def full(self) -> bool:
        """True when memory takes no further item without letting go of one."""
        return self._backlog.full

    def add(self, item: Item) -> Waiting:
        """Take in the next item; never blocks."""
        return self._backlog.add(item, self.epoch)

    def in_memory(self, after: int) -> list[Waiting]:
        """Those in memory whose count is above `after`."""
        return self._backlog.in_memory(after)

    def stored(self, number: int) -> None:
        """Items up to this count are stored."""
        self._backlog.stored(number)

    def losses(self) -> Losses | None:
        """What was given up, once, when there is room to say it."""
        return self._backlog.losses()

    def opened(self, epoch: int, last_seq: int) -> None:
        """The session is open; what is recorded from now on belongs to `epoch`."""
        self.epoch, self.first = epoch, last_seq
        self._states[Held] = Held(epoch)

    def note_speakers(self, speakers: Sequence[Speaker]) -> None:
        """The labels so far, for the spool."""
        self._states[Labels] = Labels(tuple(speakers))

    def note_sums(self, sums: Sequence[Accounting]) -> None:
        """The running sums, for the spool."""
        self._states[Sums] = Sums(tuple(sums))

    def to_store(self, one: Waiting) -> Stored:
        """An item under the number that is asked for; while the session was not open, its count."""
        return Stored(one.number + (self.first if one.epoch else 0), one.item)

    async def batch(self) -> Sequence[Waiting]:
        """The oldest items of one epoch; the same again until they are stored."""
        while self._backlog.on_disk_only:
            if self._in_hand and self._in_hand[-1].number > self._backlog.stored_number:
                return self._in_hand
            try:
                page = await self._spool.read(self._read_to, BATCH)
            except SpoolError as exc:
                self._forget_disk(str(exc))
                break
            self._read_to = page.next_offset
            items = [self._waiting(entry) for entry in page.entries if isinstance(entry, Spooled)]
            if fresh := [one for one in items if one.number > self._backlog.stored_number]:
                self._in_hand = same_epoch(fresh)
                if len(self._in_hand) < len(fresh):
                    self._read_to = 0  # the rest comes with the next read
            elif not page.entries and not page.unreadable:
                self._forget_disk("it ends too early")
        batch = self._backlog.batch(BATCH)
        return same_epoch(batch) if batch else []

    def _waiting(self, entry: Spooled) -> Waiting:
        return Waiting(entry.number - (self.first if entry.epoch else 0), entry.epoch, entry.item)

    async def spill(self) -> bool:
        """Put what waits on disk; False when the disk does not take it."""
        async with self._spilling:
            if self.erased:
                return True
            items = self._backlog.unspooled()
            states = dict(self._states)
            entries: list[Entry] = [
                Spooled(one.epoch, stored.seq, stored.item)
                for one in items
                for stored in [self.to_store(one)]
            ]
            entries += states.values()
            if not entries:
                return True
            try:
                await self._spool.append(entries)
            except SpoolError as exc:
                if not self._failing:
                    log.error("spool takes nothing", extra={"action": "spool_failed", "error": str(exc)})
                self._failing = True
                return False
            self._failing = False
            for kind, entry in states.items():
                if self._states.get(kind) is entry:
                    del self._states[kind]
            if items:
                self._backlog.spooled(items[-1].number)
            return True

    async def clear(self) -> None:
        """All is stored, or erased: remove the spool, unless it has what it did not give back."""
        if self._left_behind and not self.erased:
            return
        async with self._spilling:
            self._read_to = 0
            try:
                await self._spool.clear()
            except SpoolError as exc:
                log.warning("spool cannot be removed", extra={"action": "spool_failed", "error": str(exc)})

    def erase(self) -> None:
        """Forget all of it: from now on nothing is put on disk, and `clear` removes what is there."""
        self.erased = True
        self._backlog.erase()
        self._states.clear()
        self._in_hand = ()

    def close(self) -> None:
        """Let go of the spool; what is in it stays."""
        self._spool.close()

    def _forget_disk(self, error: str) -> None:
        self._left_behind = True
        missing = self._backlog.forget_disk()
        extra = {"action": "spool_failed", "error": error, "items": missing}
        log.error("spool does not give back what it took", extra=extra)
