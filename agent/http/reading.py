"""What one reader of a live stream gets, from where it was last to the end: chunks of Server-Sent Events."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime
from math import inf
from random import randint

from agent.core.fields import status_fields
from agent.core.model import Reason, State, Status
from agent.errors import StoreError
from agent.http.feed import Feed
from agent.http.feeds import Feeds
from agent.http.stream_events import HEARTBEAT, Event, closing, connected, retry, unstored_status
from agent.store.dates import moment
from agent.store.protocol import RoomLife

log = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 15.0
"""Proxies close what is silent for 30 to 60 s."""
SLOW_SECONDS = 10.0
"""How long a reader may take for one chunk."""
CHUNK_BYTES = 16 * 1024
"""Of events that are sent together; a larger event is sent alone."""
LINGER_SECONDS = 300.0
"""After its end a session may go on: somebody comes back to the room, or a spool is taken in."""
LATER_LIFE_SECONDS = 10.0
"""How long the last words of a session are waited for when the room has been made anew."""
AGAIN_SECONDS = 0.5
"""Until an older page that could not be read is asked for again."""
RETRY_MS = 1_000, 3_000
"""Readers who were all told to come again do not come at once."""

AWAY = Status(
    State.DEGRADED,
    Reason.STORE_UNREACHABLE,
    detail="The record cannot be read at the moment; what is said comes when it can.",
)
BACK = Status(State.LISTENING, detail="The record can be read again.")


class Reading:
    """One reader's way through the sessions of a room."""

    def __init__(
        self, feeds: Feeds, room: str, life: RoomLife | None, after: int, *, pinned: bool, seconds: float
    ) -> None:
        """Begins in `life` (None: the room has not begun) behind the item `after`.

        `pinned`: stay in this session when the room lives again. `seconds`: how long the reader may read.
        """
        self._feeds = feeds
        self._room = room
        self._life = life
        self._after = after
        self._pinned = pinned
        self._until = asyncio.get_running_loop().time() + seconds
        self._closing: str | None = None
        """Why this side ends the stream."""

    async def chunks(self) -> AsyncGenerator[bytes]:
        """Whole events, several at a time when there are many."""
        yield retry(randint(*RETRY_MS))
        while self._closing is None:
            yield connected(self._room, self._life, self._after)
            with self._feeds.follow(self._room, self._session) as feed:
                async with aclosing(self._read(feed)) as chunks:
                    async for chunk in chunks:
                        yield chunk
        again = self._closing in ("slow", "stopping")
        yield closing(self._closing, retry_ms=randint(*RETRY_MS) if again else None)

    @property
    def _session(self) -> str | None:
        return self._life.session if self._life else None

    async def _read(self, feed: Feed) -> AsyncGenerator[bytes]:
        """All that is to be told of one session."""
        away = False
        while True:
            news = feed.news
            if self._must_close(feed):
                return
            if events := await self._events(feed):
                async with self._feeds.turn:
                    await asyncio.sleep(0)  # many who read from the start at once must not hold up the others
                chunk = _first_chunk(events)
                began = _now()
                yield b"".join(event.data for event in chunk)
                self._after = chunk[-1].seq
                if _now() - began > SLOW_SECONDS:
                    log.warning("a reader is too slow", extra={"action": "stream_slow"})
                    self._closing = "slow"
            elif feed.away is not away:
                away = feed.away
                yield unstored_status(self._room, self._session, status_fields(AWAY if away else BACK))
            elif not feed.away and self._is_over(feed):
                return
            else:
                try:
                    async with asyncio.timeout(self._patience_seconds(feed)):
                        await news.wait()
                except TimeoutError:
                    yield HEARTBEAT

    async def _events(self, feed: Feed) -> list[Event]:
        while True:
            try:
                return await feed.after(self._after)
            except StoreError:
                if feed.away:
                    return []  # the feed tells when it is back
                await asyncio.sleep(AGAIN_SECONDS)

    def _must_close(self, feed: Feed) -> bool:
        if feed.failed is not None:
            raise RuntimeError("the feed of this stream has failed") from feed.failed
        if self._feeds.stopping:
            self._closing = "stopping"
        elif feed.erased:
            self._closing = "erased"
        elif _now() >= self._until:
            self._closing = "credential_expired"
        return self._closing is not None

    def _is_over(self, feed: Feed) -> bool:
        """True when nothing more is awaited of this session; asked when all that is there was told."""
        if feed.later is not None and _gives_way_in(feed) <= 0:
            if self._pinned:
                self._closing = "over"
            else:
                self._life, self._after = feed.later, 0
            return True
        if feed.life is not None and lingers_seconds(feed.life) <= 0:
            self._closing = "over"
            return True
        return False

    def _patience_seconds(self, feed: Feed) -> float:
        """How long to wait for news before something is to be done without any."""
        waits = [HEARTBEAT_SECONDS, self._until - _now()]
        if feed.life is not None:
            waits.append(lingers_seconds(feed.life))
        if feed.later is not None:
            waits.append(_gives_way_in(feed))
        return max(0.0, min(waits))


def _first_chunk(events: list[Event]) -> list[Event]:
    """As many as are sent together, at least one."""
    length = 0
    for place, event in enumerate(events):
        length += len(event.data)
        if length > CHUNK_BYTES and place:
            return events[:place]
    return events


def lingers_seconds(life: RoomLife) -> float:
    """How long a session is still waited for; 0 or less when it is over."""
    if life.ended_at is None:
        return inf
    try:
        ended = moment(life.ended_at)
    except ValueError:  # what no transcriber of ours wrote
        return 0.0
    return LINGER_SECONDS - (datetime.now(UTC) - ended).total_seconds()


def _gives_way_in(feed: Feed) -> float:
    """Seconds until the next life of the room is read: at once when the last words of this one are there."""
    if feed.life is None or feed.life.ended_at is not None:
        return 0.0
    return LATER_LIFE_SECONDS - (_now() - feed.later_since)


def _now() -> float:
    return asyncio.get_running_loop().time()
