"""The feeds of a service: each begins with its first reader and ends after its last."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from agent.http.feed import Feed
from agent.http.pages import Pages
from agent.store.protocol import Reader

POLL_SECONDS = 0.15
"""How often a followed session asks the store: readers are told within this, and what a query takes."""
POLLS_A_SECOND = 300
"""Of all sessions together (a query is some 1.5 ms of a core): with more than 45, each asks less often."""
ENTERING = 2
"""New readers that ask the store at once: the feeds of those who are there need a connection, too."""


@dataclass(slots=True)
class _Followed:
    """A feed in use."""

    feed: Feed
    task: asyncio.Task[None]
    readers: int = 0


class Feeds:
    """Hands out feeds; owns their tasks."""

    def __init__(self, store: Reader) -> None:
        self.stopping = False
        """True when the service is about to end."""
        self.turn = asyncio.Lock()
        """Taken for each chunk that is sent, so that the event loop runs between any two of them."""
        self.entry = asyncio.Semaphore(ENTERING)
        """Taken while a new reader asks the store."""
        self._store = store
        self._pages = Pages()
        self._followed: dict[tuple[str, str | None], _Followed] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @contextmanager
    def follow(self, room: str, session: str | None) -> Iterator[Feed]:
        """The feed of a session, or of a room that has not begun (None), while it is read."""
        followed = self._followed.get((room, session))
        if followed is None:
            followed = self._followed[room, session] = self._begin(room, session)
        followed.readers += 1
        try:
            yield followed.feed
        finally:
            followed.readers -= 1
            if not followed.readers:
                del self._followed[room, session]
                followed.task.cancel()
                if session is not None and not any(key[1] == session for key in self._followed):
                    self._pages.forget(session)

    def stop(self) -> None:
        """Let all readers come to an end."""
        self.stopping = True
        for followed in self._followed.values():
            followed.feed.tell()

    async def aclose(self) -> None:
        """End what still runs; safe to call twice."""
        self.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _begin(self, room: str, session: str | None) -> _Followed:
        feed = Feed(self._store, room, session, self._pages)
        task = asyncio.create_task(feed.run(self._pause_seconds), name="feed")
        self._tasks.add(task)

        def ended(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            if not task.cancelled() and (fault := task.exception()):
                feed.failed = fault
                feed.tell()

        task.add_done_callback(ended)
        return _Followed(feed, task)

    def _pause_seconds(self) -> float:
        return max(POLL_SECONDS, len(self._followed) / POLLS_A_SECOND)
