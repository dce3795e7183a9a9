"""What is new in a session, read once for all who follow it.

A followed session has one task that asks the store, and as many readers as come: they wait for its `news` and
take events that are ready to be sent. Older events are read in pages, which all readers share; a page that is
full never changes, because numbers rise in the order of storing.
"""

from __future__ import annotations

import asyncio
import logging
from bisect import bisect_right
from collections.abc import Callable

from agent.errors import StoreError
from agent.http.pages import PAGE, Pages
from agent.http.stream_events import Event, event_of
from agent.store.protocol import Reader, RoomLife

log = logging.getLogger(__name__)

AWAY_SECONDS = 2.0
"""How long the store may fail before readers are told."""


class Feed:
    """One session of a room as it grows; or, without a session, whether the room has begun."""

    def __init__(self, store: Reader, room: str, session: str | None, pages: Pages) -> None:
        """Nothing is read before `run`."""
        self.life: RoomLife | None = None
        """What the session was when the store was asked last; None before, and without a session."""
        self.later: RoomLife | None = None
        """The next life of the room; without a session, its first."""
        self.later_since = 0.0
        """When it was seen first: the event loop's time."""
        self.erased = False
        """True when what was said in the session was erased."""
        self.away = False
        """True while the store does not answer."""
        self.failed: BaseException | None = None
        """A fault of our own that has ended the feed."""
        self.news = asyncio.Event()
        """Set, and replaced by a new one, at each change: take it, look, then wait for it."""
        self._store = store
        self._room = room
        self._session = session
        self._pages = pages
        self._paging = asyncio.Lock()
        self._tail: list[Event] = []
        self._tail_from = 0
        """Everything stored after this number is in the tail; a page begins here."""
        self._last = 0
        self._first: RoomLife | None = None
        """What the session was when the tail began; events are made with it."""

    async def run(self, pause_seconds: Callable[[], float]) -> None:
        """Ask the store again and again, until cancelled."""
        loop = asyncio.get_running_loop()
        answered = loop.time()
        while True:
            try:
                await self._look()
            except StoreError as error:
                if not self.away and loop.time() - answered >= AWAY_SECONDS:
                    log.error(
                        "record cannot be read", extra={"action": "record_unreadable", "error": str(error)}
                    )
                    self.away = True
                    self.tell()
                await asyncio.sleep(AWAY_SECONDS / 4)
            else:
                answered = loop.time()
                if self.away:
                    self.away = False
                    self.tell()
            await asyncio.sleep(pause_seconds())

    def tell(self) -> None:
        """Wake all readers."""
        news, self.news = self.news, asyncio.Event()
        news.set()

    async def after(self, seq: int) -> list[Event]:
        """Events with a higher number, in order: all there are, or the first of them.

        Raises:
            StoreError: an older page cannot be read now.
        """
        while seq < self._tail_from:
            number = seq // PAGE
            page = await self._page(number)
            if page and page[-1].seq > seq:
                return page[_place(page, seq) :]
            seq = (number + 1) * PAGE
        return self._tail[_place(self._tail, seq) :]

    async def _look(self) -> None:
        lives = await self._store.lives(self._room, self._session)
        known = (self.life, self.later, self.erased)
        if self._session is None:
            self.later = lives[0] if lives else None
        elif lives and lives[0].erased_at is None:
            await self._read(lives[0])
            self.life = lives[0]
            self.later = lives[1] if len(lives) > 1 else None
        else:
            # whoever erases what was said need not tell this process: it is gone from here, too
            self.erased = True
            self._tail.clear()
            self._pages.forget(self._session)
        if self.later is not None and known[1] is None:
            self.later_since = asyncio.get_running_loop().time()
        if (self.life, self.later, self.erased) != known:
            self.tell()

    async def _read(self, life: RoomLife) -> None:
        """Bring the tail up to what is stored."""
        if self._first is None:
            self._first = life
            self._tail_from = self._last = life.last_seq // PAGE * PAGE
        while self._last < life.last_seq:
            stored = await self._store.items(life.session, self._last, PAGE)
            if not stored:
                return
            self._tail += [event_of(self._room, life, one) for one in stored]
            self._last = stored[-1].seq
            # one full page stays, for readers who are a little behind
            begin = self._last // PAGE * PAGE - PAGE
            if begin > self._tail_from:
                self._tail = self._tail[_place(self._tail, begin) :]
                self._tail_from = begin

    async def _page(self, number: int) -> list[Event]:
        life = self._first
        assert life is not None, "only a tail that has begun leaves something to pages"
        async with self._paging:
            page = self._pages.get(life.session, number)
            if page is None:
                stored = await self._store.items(life.session, number * PAGE, PAGE)
                page = [event_of(self._room, life, one) for one in stored if one.seq <= (number + 1) * PAGE]
                if not self.erased:
                    self._pages.keep(life.session, number, page)
            return page


def _place(events: list[Event], seq: int) -> int:
    """Where the events after a number begin."""
    return bisect_right(events, seq, key=lambda event: event.seq)
