"""The live stream in this process: what its readers cost, and what they are told when something is wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from math import inf
from typing import Any

import pytest
import pytest_asyncio
from fastapi import HTTPException
from hypothesis import given
from hypothesis import strategies as st

from agent.core.model import Item, Segment
from agent.errors import StoreError
from agent.http import reading
from agent.http.feeds import ENTERING, POLL_SECONDS, Feeds
from agent.http.pages import PAGE, Pages
from agent.http.reading import CHUNK_BYTES, Reading, lingers_seconds
from agent.http.slots import A_PARTICIPANT, Slots
from agent.http.stream_events import Event, Position, event_of, id_of, read_id
from agent.store.clean import clean
from agent.store.memory import MemoryStore
from agent.store.protocol import RoomLife, Stored
from tests.contract.record import END, LISTENING, STARTED, ended_ago, items, segment
from tests.http.service import SECRET, calling, participant, token
from tests.integration.stream_client import Parser, Received

LIFE = RoomLife("RM_1", STARTED, None, 0)


class CountingStore(MemoryStore):
    """Knows how often it was asked; can be away, and can forget."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        """What is new."""
        self.read = 0
        """Items."""
        self.away = False
        self.reading = asyncio.Event()
        self.seconds = 0.0
        """How long it takes to read items."""

    async def lives(self, room: str, since: str | None = None) -> list[RoomLife]:
        """See `Reader.lives`."""
        self.asked += 1
        if self.away:
            raise StoreError("away")
        return await super().lives(room, since)

    async def items(self, session: str, after: int = 0, limit: int = 1000) -> list[Stored]:
        """See `Reader.items`."""
        self.read += 1
        self.reading.set()
        await asyncio.sleep(self.seconds)
        if self.away:
            raise StoreError("away")
        return await super().items(session, after, limit)

    async def say(self, first: int, last: int) -> None:
        """Store some items."""
        numbers = range(first, last + 1)
        await self.write("RM_1", 1, [Stored(seq, segment(f"word{seq}", seq)) for seq in numbers])

    def lose(self) -> None:
        """As if nobody had ever said anything: another database is in its place."""
        self._sessions.clear()


@pytest_asyncio.fixture
async def store() -> CountingStore:
    """With a session that runs."""
    made = CountingStore()
    await made.open_session("a", "RM_1", STARTED)
    return made


@pytest_asyncio.fixture
async def feeds(store: CountingStore) -> AsyncIterator[Feeds]:
    """On that store."""
    made = Feeds(store)
    yield made
    await made.aclose()


class Reader:
    """One reader, by hand."""

    def __init__(self, feeds: Feeds, after: int = 0, *, pinned: bool = False, seconds: float = inf) -> None:
        self._chunks = Reading(feeds, "a", LIFE, after, pinned=pinned, seconds=seconds).chunks()
        self.parser = Parser()
        self.events: list[Received] = []

    async def __aenter__(self) -> Reader:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._chunks.aclose()

    async def next(self) -> list[Received]:
        """The events of the next chunk."""
        async with asyncio.timeout(10):
            found = list(self.parser.feed(await anext(self._chunks)))
        self.events += found
        return found

    async def until(self, kind: str) -> Received:
        """The next event of a kind."""
        while True:
            for one in await self.next():
                if one.event == kind:
                    return one

    async def until_seq(self, seq: int) -> None:
        """Read on to an item."""
        while not self.events or self.events[-1].data.get("seq") != seq:
            await self.next()

    def seqs(self) -> list[int]:
        """Of the items that came."""
        return [one.data["seq"] for one in self.events if one.event == "transcript"]


async def test_many_readers_cost_one_reader_of_the_store(store: CountingStore, feeds: Feeds) -> None:
    """Sixty, each from the start of a long record: it is read once, and asked as often as for one."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    await store.say(1, 550)
    readers = [Reader(feeds) for _ in range(60)]
    await asyncio.gather(*(one.until_seq(550) for one in readers))
    assert store.read == 6
    await asyncio.gather(store.say(551, 551), *(one.until_seq(551) for one in readers))
    assert store.read == 7
    assert store.asked <= (loop.time() - began) / POLL_SECONDS + 1
    assert all(one.seqs() == list(range(1, 552)) for one in readers)
    for one in readers:
        await one.__aexit__()
    tasks = list(feeds._tasks)
    await asyncio.gather(*tasks, return_exceptions=True)
    assert [task.cancelled() for task in tasks] == [True]
    assert (feeds._followed, feeds._pages.get("RM_1", 0)) == ({}, None)


async def test_many_who_join_hold_nobody_up(store: CountingStore, feeds: Feeds) -> None:
    """The event loop runs between any two chunks, and no chunk is long."""
    await store.say(1, 20 * PAGE)
    sent, most = 0, 0

    async def read() -> None:
        nonlocal sent
        chunks = Reading(feeds, "a", LIFE, 0, pinned=False, seconds=inf).chunks()
        async with aclosing(chunks):
            async for chunk in chunks:
                sent += b"\nid: " in chunk
                assert len(chunk) <= CHUNK_BYTES
                if b"id: 2000@" in chunk:
                    return

    async def watch() -> None:
        nonlocal most
        before = sent
        while True:
            await asyncio.sleep(0)
            before, most = sent, max(most, sent - before)

    watching = asyncio.create_task(watch(), name="watch")
    await asyncio.gather(*(read() for _ in range(20)))
    watching.cancel()
    assert sent > 20 * 20
    assert most <= 2


async def test_an_event_longer_than_a_chunk(store: CountingStore, feeds: Feeds) -> None:
    """It is sent whole, by itself."""
    long = segment("x" * 2 * CHUNK_BYTES, 2)
    await store.write("RM_1", 1, [Stored(1, segment("a", 1)), Stored(2, long), Stored(3, segment("b", 3))])
    async with Reader(feeds) as reader:
        await reader.until_seq(3)
    assert reader.seqs() == [1, 2, 3]


async def test_many_who_join_leave_the_database_to_others() -> None:
    """The feed of those who read already shares its few connections with whoever comes."""

    class Busy(MemoryStore):
        now, most = 0, 0

        async def lives(self, room: str, since: str | None = None) -> list[RoomLife]:
            self.now += 1
            self.most = max(self.most, self.now)
            await asyncio.sleep(0.001)
            self.now -= 1
            return await super().lives(room, since)

    store = Busy()
    async with calling(store) as client:
        answers = await asyncio.gather(*(client.head("/rooms/a/stream") for _ in range(30)))
    assert {one.status_code for one in answers} == {200}
    assert store.most <= ENTERING


async def test_a_reader_that_comes_while_the_feed_begins(store: CountingStore, feeds: Feeds) -> None:
    """Its pages are read before the feed has seen all that is new."""
    await store.say(1, 3 * PAGE + 7)
    store.seconds = 0.05
    async with Reader(feeds) as first, Reader(feeds) as second, asyncio.TaskGroup() as group:
        group.create_task(first.until_seq(3 * PAGE + 7), name="first")
        await store.reading.wait()
        group.create_task(second.until_seq(3 * PAGE + 7), name="second")
    assert first.seqs() == second.seqs() == list(range(1, 3 * PAGE + 8))


@pytest.mark.parametrize("after", [0, 1, PAGE - 1, PAGE, PAGE + 1, 3 * PAGE, 3 * PAGE + 7])
async def test_a_reader_begins_anywhere(store: CountingStore, feeds: Feeds, after: int) -> None:
    """Inside a page, between two, and in what is new; also over holes."""
    await store.say(1, 2 * PAGE - 3)
    await store.say(3 * PAGE + 5, 3 * PAGE + 9)
    async with Reader(feeds, after) as reader:
        await reader.until_seq(3 * PAGE + 9)
    expected = [*range(1, 2 * PAGE - 2), *range(3 * PAGE + 5, 3 * PAGE + 10)]
    assert reader.seqs() == [seq for seq in expected if seq > after]


async def test_a_reader_that_stands_still_while_much_is_said(store: CountingStore, feeds: Feeds) -> None:
    """What has left the tail is read from the store: a slow reader costs no memory, and loses nothing."""
    await store.say(1, 5)
    async with Reader(feeds) as slow, Reader(feeds) as quick:
        await slow.until_seq(5)
        for first in range(6, 1000, 37):
            await store.say(first, first + 36)
            await quick.until_seq(first + 36)
        (feed,) = [one.feed for one in feeds._followed.values()]
        assert len(feed._tail) <= 2 * PAGE
        await slow.until_seq(quick.seqs()[-1])
        assert slow.seqs() == quick.seqs() == list(range(1, quick.seqs()[-1] + 1))


async def test_a_store_that_is_away(
    store: CountingStore, feeds: Feeds, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Readers stay, are told, and get what was said meanwhile; also those who were behind."""
    monkeypatch.setattr("agent.http.feed.AWAY_SECONDS", 0.2)
    await store.say(1, 350)
    async with Reader(feeds) as behind, Reader(feeds, 350) as reader:
        while not behind.seqs():
            await behind.next()
        store.away = True
        told = await reader.until("status")
        assert (told.data["state"], told.data["reason"], told.data["seq"]) == (
            "degraded",
            "store_unreachable",
            None,
        )
        await behind.until("status")
        store.away = False
        assert (await reader.until("status")).data["state"] == "listening"
        await store.say(351, 351)
        await reader.until_seq(351)
        await behind.until_seq(351)
    assert behind.seqs() == list(range(1, 352))
    assert behind.parser.last_id == "351@RM_1"


async def test_what_cannot_be_read_now_is_not_over(
    store: CountingStore, feeds: Feeds, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A session that has ended long ago is told whole, also when the store fails in the middle of it."""
    monkeypatch.setattr("agent.http.feed.AWAY_SECONDS", 0.2)
    await store.say(1, 350)
    await store.write("RM_1", 1, [Stored(351, _ended("2026-11-20T10:00:00Z"))])
    async with Reader(feeds) as reader:
        while not reader.seqs():
            await reader.next()
        store.away = True
        assert (await reader.until("status")).data["state"] == "degraded"
        async with asyncio.TaskGroup() as group:
            closing = group.create_task(reader.until("closing"), name="closing")
            await asyncio.sleep(0.3)
            store.away = False
        assert closing.result().data["reason"] == "over"
    assert reader.seqs() == list(range(1, 351))


async def test_a_session_that_goes_on_after_its_end(
    store: CountingStore, feeds: Feeds, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its readers stay, however long ago the end was, and new ones are let in."""
    await store.say(1, 2)
    await store.write("RM_1", 1, [Stored(3, ended_ago())])
    async with Reader(feeds) as reader:
        await reader.until("end")
        await store.write("RM_1", 1, [Stored(4, LISTENING)])
        await reader.until("status")
        monkeypatch.setattr(reading, "LINGER_SECONDS", 0.0)
        await store.say(5, 5)
        await reader.until_seq(5)
        [life] = await store.lives("a", "RM_1")
        assert lingers_seconds(life) == inf


@pytest.mark.parametrize("tombstone", [True, False])
async def test_a_record_that_is_erased(store: CountingStore, feeds: Feeds, tombstone: bool) -> None:
    """Readers are told and let go, and nothing of it stays in this process."""
    await store.say(1, 350)
    async with Reader(feeds) as reader:
        await reader.until_seq(350)
        (feed,) = [one.feed for one in feeds._followed.values()]
        assert feeds._pages.get("RM_1", 0)
        if tombstone:
            await store.erase("a", "RM_1")
        else:
            store.lose()
        assert (await reader.until("closing")).data == {"reason": "erased", "again": False}
        assert not feed._tail
        assert feeds._pages.get("RM_1", 0) is None


async def test_a_credential_that_ends(store: CountingStore, feeds: Feeds) -> None:
    """A participant reads while its token is valid, no longer."""
    await store.say(1, 1)
    async with Reader(feeds, seconds=0.3) as reader:
        await reader.until_seq(1)
        assert (await reader.until("closing")).data == {"reason": "credential_expired", "again": False}


async def test_silence_is_broken(store: CountingStore, feeds: Feeds, monkeypatch: pytest.MonkeyPatch) -> None:
    """A comment, which no reader sees, keeps the connection in use."""
    monkeypatch.setattr(reading, "HEARTBEAT_SECONDS", 0.05)
    async with Reader(feeds) as reader:
        while reader.parser.comments < 3:
            await reader.next()
    assert [one.event for one in reader.events] == ["connected"]


async def test_a_slow_reader_is_told(
    store: CountingStore, feeds: Feeds, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who has not taken a chunk in time is asked to come again where it is."""
    monkeypatch.setattr(reading, "SLOW_SECONDS", 0.2)
    await store.say(1, 350)
    async with Reader(feeds) as reader:
        while not reader.seqs():
            await reader.next()
        await asyncio.sleep(0.3)
        closing = await reader.until("closing")
    assert closing.data == {"reason": "slow", "again": True}
    assert reader.parser.last_id == f"{reader.seqs()[-1]}@RM_1"
    async with Reader(feeds, reader.seqs()[-1]) as again:
        await again.until_seq(350)
    assert reader.seqs() + again.seqs() == list(range(1, 351))


async def test_a_fault_of_a_feed_is_its_readers_alone(store: CountingStore, feeds: Feeds) -> None:
    """Nobody waits for a feed that is no more, and other rooms go on."""
    async with Reader(feeds) as reader:
        await reader.next()
        await reader.next()

        async def broken(*_: Any) -> list[RoomLife]:
            raise KeyError("a row that nobody can read")

        store.lives = broken  # type: ignore[method-assign]
        with pytest.raises(RuntimeError, match="feed"):
            await reader.until("closing")
    assert not feeds._followed


async def test_last_words_that_never_come(
    store: CountingStore, feeds: Feeds, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The room lives again and the session before it has no end: it is waited for, but not for ever."""
    monkeypatch.setattr(reading, "LATER_LIFE_SECONDS", 0.3)
    await store.say(1, 1)
    async with Reader(feeds) as reader, Reader(feeds, pinned=True) as staying:
        await reader.until_seq(1)
        await store.open_session("a", "RM_2", "2026-11-26T10:00:00Z")
        assert (await reader.until("connected")).data["session"] == "RM_2"
        assert (await staying.until("closing")).data["reason"] == "over"


async def test_a_session_that_has_ended_is_waited_for(
    store: CountingStore, feeds: Feeds, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For some minutes: more may follow. Then the stream is over."""
    monkeypatch.setattr(reading, "LINGER_SECONDS", 0.6)
    now = datetime.now(UTC).isoformat()
    await store.write("RM_1", 1, [Stored(1, segment()), Stored(2, _ended(now))])
    async with Reader(feeds) as reader:
        await reader.until("end")
        began = asyncio.get_running_loop().time()
        assert (await reader.until("closing")).data == {"reason": "over", "again": False}
        assert asyncio.get_running_loop().time() - began > 0.2


def _ended(ended_at: str) -> Item:
    return type(END)(1, 2, 0, 0, STARTED, ended_at)


def test_how_long_a_session_is_waited_for() -> None:
    """While it runs for ever; a date that cannot be read is long ago."""
    assert lingers_seconds(LIFE) == inf
    assert lingers_seconds(RoomLife("RM_1", STARTED, "yesterday", 3)) == 0
    ended = (datetime.now(UTC) - timedelta(seconds=100)).isoformat()
    assert lingers_seconds(RoomLife("RM_1", STARTED, ended, 3)) == pytest.approx(200, abs=5)


async def test_stopping_ends_all(store: CountingStore, feeds: Feeds) -> None:
    """Each reader is asked to come again, at a time of its own."""
    readers = [Reader(feeds) for _ in range(5)]
    for one in readers:
        await one.until("connected")
    waits = [asyncio.ensure_future(one.until("closing")) for one in readers]  # noqa: TID251 - awaited below
    await asyncio.sleep(0.05)
    feeds.stop()
    assert {(await one).data["reason"] for one in waits} == {"stopping"}
    assert len({one.parser.retry_ms for one in readers}) > 1
    async with Reader(feeds) as late:
        assert (await late.until("closing")).data == {"reason": "stopping", "again": True}


@given(items, st.text(max_size=10), st.text(max_size=10))
def test_any_item_is_one_event(item: Item, room: str, session: str) -> None:
    """Whatever was said: one event of three lines that says whose number it is."""
    stored = clean(Stored(7, item))
    event = event_of(room, RoomLife(session, STARTED, None, 7), stored)
    text = event.data.decode()
    assert [line.partition(":")[0] for line in text.splitlines()] == ["event", "data", "id", ""]
    (received,) = Parser().feed(event.data)
    assert received.data["seq"] == 7
    assert received.event == ("transcript" if isinstance(item, Segment) else type(item).__name__.lower())


@given(
    st.integers(0, 2**63 - 1),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=40),
)
def test_ids_come_back(seq: int, session: str) -> None:
    """As they were given, and as plain ASCII that any header can carry."""
    text = id_of(Position(seq, session))
    assert text.isascii()
    assert text.isprintable()
    assert read_id(text) == Position(seq, session)
    assert read_id(str(seq)) == Position(seq, None)


def test_pages_are_kept_up_to_a_bound() -> None:
    """The one that was asked for longest ago goes first; forgetting leaves nothing."""
    pages = Pages(max_bytes=250)
    page = [Event(1, b"x" * 100)]
    pages.keep("a", 0, page)
    pages.keep("a", 1, page)
    assert pages.get("a", 0) == page
    pages.keep("b", 0, page)
    assert [pages.get(*key) for key in (("a", 0), ("a", 1), ("b", 0))] == [page, None, page]
    pages.forget("a")
    assert (pages.get("a", 0), pages._bytes) == (None, 100)


def test_places_are_counted() -> None:
    """In total and for each participant, and given back."""
    slots = Slots(A_PARTICIPANT + 2)
    for _ in range(A_PARTICIPANT):
        slots.take("anna", participant=True)
    with pytest.raises(HTTPException) as refused:
        slots.take("anna", participant=True)
    assert refused.value.status_code == 429
    slots.take("key:default", participant=False)
    slots.take("bob", participant=True)
    with pytest.raises(HTTPException) as refused:
        slots.take("key:default", participant=False)
    assert refused.value.status_code == 503
    slots.give_back("anna")
    slots.take("anna", participant=True)


def test_one_key_leaves_places_to_others() -> None:
    """Nine tenths of all are the most that it may hold."""
    slots = Slots(20)
    for _ in range(18):
        slots.take("key:backend", participant=False)
    with pytest.raises(HTTPException) as refused:
        slots.take("key:backend", participant=False)
    assert refused.value.status_code == 429
    slots.take("key:dashboard", participant=False)
    slots.take("anna", participant=True)
    slots.give_back("key:backend")
    slots.take("key:backend", participant=False)


async def test_a_token_in_the_address() -> None:
    """A participant's own, for its own room; never the key, and never in place of a header that is wrong."""
    path = "/rooms/a/stream"
    expired = token("a").with_ttl(timedelta(seconds=-1)).to_jwt()
    async with calling(credential=None) as client:
        for given_token, status in (
            (participant("a"), 200),
            (participant("b"), 403),
            (expired, 401),
            ("an-api-key-of-the-service", 401),
            (SECRET, 401),
            ("", 401),
        ):
            answer = await client.head(path, params={"access_token": given_token})
            assert answer.status_code == status, given_token
        wrong = {"Authorization": "Bearer x"}
        answer = await client.head(path, params={"access_token": participant("a")}, headers=wrong)
        assert answer.status_code == 401
        for other in ("transcript", "windows"):
            answer = await client.get(f"/rooms/a/{other}", params={"access_token": participant("a")})
            assert answer.status_code == 401


WRONG_IDS = ("zzz", "-1", "1.5", "1@", "@RM_1", "9" * 20, "1 2", "1@RM 1", "1@%00", "undefined")


@pytest.mark.parametrize("last_id", WRONG_IDS)
async def test_an_id_of_another_stream(last_id: str) -> None:
    """Everything from the start, whatever `after` says, like any other id that is not known."""
    store = MemoryStore()
    await store.open_session("a", "RM_1", STARTED)
    ended = _ended("2026-11-20T10:00:00Z")
    await store.write("RM_1", 1, [Stored(1, segment()), Stored(2, ended)])
    async with calling(store) as client:
        answer = await client.get("/rooms/a/stream?after=1", headers={"Last-Event-ID": last_id})
    events = list(Parser().feed(answer.content))
    assert (answer.status_code, events[0].event, events[0].data["after"]) == (200, "connected", 0)
    assert [one.data["seq"] for one in events if "seq" in one.data] == [1, 2]


async def test_an_id_of_another_session_than_the_one_asked_for() -> None:
    """The session that is asked for, from its start."""
    store = MemoryStore()
    for session in ("RM_1", "RM_2"):
        await store.open_session("a", session, STARTED)
        await store.write(session, 1, [Stored(1, segment()), Stored(2, _ended("2026-11-20T10:00:00Z"))])
    async with calling(store) as client:
        answer = await client.get("/rooms/a/stream?session=RM_1", headers={"Last-Event-ID": "2@RM_2"})
    assert next(iter(Parser().feed(answer.content))).data["after"] == 0


async def test_an_unknown_id_before_the_room_has_begun() -> None:
    """It is waited for: the id does not show that the reader has had anything."""
    async with calling() as client:
        answer = await client.head("/rooms/a/stream", headers={"Last-Event-ID": "undefined"})
    assert answer.status_code == 200


async def test_a_store_that_is_away_is_503() -> None:
    """Before a stream begins the caller gets an answer, like for any other call."""
    store = CountingStore()
    store.away = True
    async with calling(store) as client:
        answer = await client.get("/rooms/a/stream")
    assert (answer.status_code, answer.json()["detail"]) == (
        503,
        "The record cannot be read at the moment; try again.",
    )
