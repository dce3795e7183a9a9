"""Numbers the items of a session and stores them before anybody sees them.

One task writes, in order. When the store does not answer, items wait (bounded) and go out live after
`PATIENCE_SECONDS` all the same; they are stored in order when it is back, and a status says so.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence

from agent.core.model import Accounting, Item, Reason, Speaker, State, Status
from agent.errors import SessionFenced, StoreError
from agent.sinks.protocol import Outgoing
from agent.store.protocol import Opened, Stored, Writer

log = logging.getLogger(__name__)

PATIENCE_SECONDS = 2.0
RETRY_SECONDS = (0.1, 0.2, 0.5, 1.0, 2.0)
MAX_WAITING = 50_000
"""Items of several hours; beyond it the oldest unstored ones are given up, loudly."""
BATCH = 200


class Recorder:
    """The one writer of a session."""

    def __init__(
        self, store: Writer, session: str, opened: Opened, publish: Callable[[Outgoing], None]
    ) -> None:
        """`publish` is called with every item once it is stored (or the store has been away for long)."""
        self._store = store
        self._session = session
        self._epoch = opened.epoch
        self._seq = opened.last_seq
        self._publish = publish
        self._unstored: deque[Stored] = deque()
        self._published = opened.last_seq
        self._sums: Sequence[Accounting] | None = None
        self._speakers: Sequence[Speaker] | None = None
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._away_since: float | None = None
        self._told = False
        self.fenced = asyncio.Event()
        """Set when another writer has taken the session over: leave."""

    def record(self, item: Item) -> None:
        """Number an item and queue it; never blocks."""
        self._seq += 1
        self._unstored.append(Stored(self._seq, item))
        if len(self._unstored) > MAX_WAITING:
            lost = self._unstored.popleft()
            log.error("item given up, the store is away", extra={"action": "item_lost", "seq": lost.seq})
        self._rouse()

    def save_speakers(self, speakers: Sequence[Speaker]) -> None:
        """Queue the labels given so far."""
        self._speakers = speakers
        self._rouse()

    def save_accounting(self, sums: Sequence[Accounting]) -> None:
        """Queue the running sums; only the newest wait."""
        self._sums = sums
        self._rouse()

    async def run(self) -> None:
        """Write until cancelled, or until another writer has taken over."""
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._unstored or self._sums is not None or self._speakers is not None:
                    await self._write()
                self._idle.set()
        except SessionFenced:
            log.warning("another transcriber has taken over", extra={"action": "session_fenced"})
            self.fenced.set()
            self._idle.set()

    async def drain(self, seconds: float) -> bool:
        """Wait until all is stored, at most `seconds`; False when time ran out."""
        try:
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True

    def _rouse(self) -> None:
        if not self.fenced.is_set():
            self._idle.clear()
            self._wake.set()

    async def _write(self) -> None:
        """One batch into the store, trying until it is there."""
        tries = 0
        while True:
            try:
                await self._write_once()
            except SessionFenced:
                raise
            except StoreError as exc:
                self._away(exc)
                await asyncio.sleep(RETRY_SECONDS[min(tries, len(RETRY_SECONDS) - 1)])
                tries += 1
            else:
                self._back()
                return

    async def _write_once(self) -> None:
        if self._speakers is not None:
            speakers = self._speakers
            await self._store.save_speakers(self._session, self._epoch, speakers)
            if self._speakers is speakers:
                self._speakers = None
        batch = [self._unstored[index] for index in range(min(BATCH, len(self._unstored)))]
        if batch:
            await self._store.write(self._session, self._epoch, batch)
            for stored in batch:
                self._unstored.popleft()
                self._show(stored)
        if self._sums is not None:
            sums = self._sums
            await self._store.save_accounting(self._session, self._epoch, sums)
            if self._sums is sums:
                self._sums = None

    def _show(self, stored: Stored) -> None:
        if stored.seq > self._published:
            self._published = stored.seq
            self._publish(Outgoing(stored.item, stored.seq))

    def _away(self, exc: StoreError) -> None:
        now = asyncio.get_running_loop().time()
        if self._away_since is None:
            self._away_since = now
            log.warning("store is away", extra={"action": "store_away", "error": str(exc)})
        if now - self._away_since >= PATIENCE_SECONDS:
            if self._published < self._seq and not self._told:
                self._told = True
                detail = "the transcript is shown live and will be stored when the store is back"
                self._publish(Outgoing(Status(State.DEGRADED, Reason.STORE_UNREACHABLE, None, detail), None))
            for stored in tuple(self._unstored):
                self._show(stored)

    def _back(self) -> None:
        if self._away_since is None:
            return
        self._away_since = None
        log.info("store is back", extra={"action": "store_back"})
        if self._told:
            self._told = False
            self._publish(Outgoing(Status(State.LISTENING), None))
