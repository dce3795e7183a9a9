"""The live stream of the service as it is run, over records in real databases that another process writes."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

import pytest
import pytest_asyncio

from agent.core.fields import (
    end_fields,
    gap_fields,
    segment_fields,
    speaker_fields,
    status_fields,
    window_fields,
)
from agent.core.model import Item
from agent.store import open_store
from agent.store.protocol import Store, Stored
from local.postgres import Postgres
from tests.contract.record import BOB, END, LISTENING, STARTED, gap, segment, window
from tests.http.service import SECRET, bearer, token
from tests.integration.running_service import RunningService, running_service
from tests.integration.stream_client import streaming

LONG_AGO = "2026-11-20T10:30:00Z"

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database that service and writer share."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path_factory.mktemp('stream')}/record.db"
    server: Postgres = request.getfixturevalue("postgres_server")
    return server.create_database()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(
    database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[RunningService]:
    """The service, open to this machine; one for all tests, as each has a room of its own."""
    async with running_service(tmp_path_factory.mktemp("service"), DATABASE_URL=database_url) as running:
        yield running


class Writer:
    """The worker's side: one room, whose sessions are numbered."""

    def __init__(self, store: Store) -> None:
        self.name = uuid4().hex[:8]
        self.room = f"interview of Zoë / {self.name}"
        self.path = f"/rooms/{quote(self.room, safe='')}/stream"
        self.store = store

    def sid(self, life: int = 1) -> str:
        """Of a session."""
        return f"RM_{self.name}_{life}"

    async def begin(self, life: int = 1, started: str = STARTED, words: int = 0) -> None:
        """A session in which something was said."""
        await self.store.open_session(self.room, self.sid(life), started)
        await self.add(1, *(segment(f"word{number}", number) for number in range(1, words + 1)), life=life)

    async def add(self, first: int, *items: Item, life: int = 1, epoch: int = 1) -> None:
        """Store items under numbers from `first` on."""
        numbered = [Stored(seq, item) for seq, item in enumerate(items, start=first)]
        await self.store.write(self.sid(life), epoch, numbered)


@pytest_asyncio.fixture(loop_scope="module")
async def writer(database_url: str) -> AsyncIterator[Writer]:
    """In a room of the test's own."""
    store = open_store(database_url)
    yield Writer(store)
    await store.aclose()


async def test_the_record_then_what_comes(service: RunningService, writer: Writer) -> None:
    """Every item once, in order, in the words of the room's messages; those of before and those of now."""
    await writer.begin()
    await writer.add(1, LISTENING, segment("hello there", 4.2))
    async with streaming(service.client, writer.path) as stream:
        (opened, *_) = await stream.until_seq(2)
        await writer.add(3, gap(), window())
        await stream.until_seq(4)
        await writer.add(5, END)
        events = await stream.until_event("end")
    assert stream.response.headers["content-type"].startswith("text/event-stream")
    assert stream.response.headers["cache-control"] == "no-store, no-transform"
    assert stream.response.headers["x-accel-buffering"] == "no"
    assert 1000 <= stream.parser.retry_ms <= 3000
    head = {"room": writer.room, "session": writer.sid()}
    assert (opened.event, opened.data) == (
        "connected",
        {**head, "started_at": STARTED, "ended_at": None, "last_seq": 2, "after": 0},
    )
    told = segment_fields(segment("hello there", 4.2))
    del told["final"]
    assert [(one.event, one.data) for one in events[1:]] == [
        ("status", {**head, "seq": 1, **status_fields(LISTENING)}),
        (
            "transcript",
            {
                **head,
                "seq": 2,
                **told,
                "timestamp": "2026-11-25T10:00:04.450Z",
                "speaker": "interviewer",
                "is_final": True,
                "participant": speaker_fields(segment().speaker),
            },
        ),
        ("gap", {**head, "seq": 3, **gap_fields(gap())}),
        ("window", {**head, "seq": 4, **window_fields(window())}),
        ("end", {**head, "seq": 5, **end_fields(END)}),
    ]
    assert [one.id for one in events[1:]] == [f"{seq}@{writer.sid()}" for seq in range(1, 6)]


async def test_a_reader_that_comes_again_misses_and_doubles_nothing(
    service: RunningService, writer: Writer
) -> None:
    """Cut off after any item of a long record, with more being stored meanwhile; also by a bare number."""
    await writer.begin(words=250)
    seqs: list[int] = []
    last_id, stored = "", 250
    for cut in (1, 99, 100, 101, 230, 260):
        async with streaming(service.client, writer.path, last_id=last_id) as stream:
            await writer.add(stored + 1, segment("more", stored), window(stored))
            stored += 2
            await stream.until_count(cut - len(seqs))
        seqs += stream.seqs()
        last_id = stream.last_id or last_id
        if cut == 101:
            last_id = last_id.partition("@")[0]
    async with streaming(service.client, writer.path, last_id=last_id) as stream:
        await writer.add(stored + 1, segment("the last"))
        await stream.until_seq(stored + 1)
    assert seqs + stream.seqs() == list(range(1, stored + 2))


async def test_a_page_goes_on_from_the_transcript(service: RunningService, writer: Writer) -> None:
    """`after=` the answer's `last_seq`; a last id is newer and counts more."""
    await writer.begin(words=5)
    async with streaming(service.client, f"{writer.path}?after=3") as stream:
        await stream.until_seq(5)
        assert stream.seqs() == [4, 5]
    async with streaming(service.client, f"{writer.path}?after=3", last_id=stream.last_id) as again:
        await writer.add(6, segment("six"))
        await again.until_seq(6)
        assert again.seqs() == [6]
        assert again.events[0].data["after"] == 5


async def test_a_room_that_has_not_begun_is_waited_for(service: RunningService, writer: Writer) -> None:
    """The stream says so, then that it has begun."""
    async with streaming(service.client, writer.path) as stream:
        (waiting,) = await stream.until_event("connected")
        assert (waiting.data["room"], waiting.data["session"]) == (writer.room, None)
        await writer.begin(words=1)
        events = await stream.until_seq(1)
    assert [one.event for one in events] == ["connected", "connected", "transcript"]
    assert events[1].data["session"] == writer.sid()


async def test_more_may_follow_an_end(service: RunningService, writer: Writer) -> None:
    """Somebody comes back: the stream is still there, and the last end counts."""
    await writer.begin(words=1)
    recent = replace(END, ended_at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
    await writer.add(2, recent)
    async with streaming(service.client, writer.path) as stream:
        await stream.until_event("end")
        await writer.store.open_session(writer.room, writer.sid(), STARTED)
        await writer.add(3, segment("back again"), recent, epoch=2)
        await stream.until_event("end", 2)
    assert stream.seqs() == [1, 2, 3, 4]


async def test_later_lives_of_the_room_are_followed(service: RunningService, writer: Writer) -> None:
    """Each from its start, once the one before has told its last words; nobody skips one between."""
    await writer.begin(1, "2026-11-25T10:00:00Z", words=2)
    async with streaming(service.client, writer.path) as stream:
        await stream.until_seq(2)
        await writer.begin(2, "2026-11-25T11:00:00Z", words=1)
        await writer.add(3, segment("last words"), END)
        await stream.until_event("connected", 2)
        away = stream.last_id
    assert away == f"4@{writer.sid()}"
    assert [(one.data["session"], one.data["seq"]) for one in stream.of("transcript")] == [
        (writer.sid(), 1),
        (writer.sid(), 2),
        (writer.sid(), 3),
    ]
    await writer.add(2, END, life=2)
    await writer.begin(3, "2026-11-25T12:00:00Z", words=1)
    async with streaming(service.client, writer.path, last_id=f"3@{writer.sid()}") as again:
        await again.until(lambda: again.seqs(writer.sid(3)) == [1])
    assert [(one.data["session"], one.data["after"]) for one in again.of("connected")] == [
        (writer.sid(), 3),
        (writer.sid(2), 0),
        (writer.sid(3), 0),
    ]
    assert [again.seqs(writer.sid(life)) for life in (1, 2, 3)] == [[4], [1, 2], [1]]


async def test_one_life_alone(service: RunningService, writer: Writer) -> None:
    """`session=` stays in it; one that is over is told whole, and then there is no reason to come again."""
    await writer.begin(1, "2026-11-20T10:00:00Z", words=2)
    await writer.add(3, replace(END, ended_at=LONG_AGO))
    await writer.begin(2, words=1)
    async with streaming(service.client, f"{writer.path}?session={writer.sid()}") as stream:
        events = await stream.until_end()
    assert [one.event for one in events] == ["connected", "transcript", "transcript", "end", "closing"]
    assert events[-1].data == {"reason": "over", "again": False}
    last = {"Last-Event-ID": stream.last_id}
    answer = await service.client.get(f"{writer.path}?session={writer.sid()}", headers=last)
    assert (answer.status_code, answer.content) == (204, b"")
    answer = await service.client.get(f"{writer.path}?session={writer.sid(3)}")
    assert (answer.status_code, answer.json()) == (404, {"detail": "No transcript of this room."})


async def test_a_meeting_of_last_week(service: RunningService, writer: Writer) -> None:
    """Told whole and closed; whoever comes again is told to stay away, until the room lives again."""
    await writer.begin(1, "2026-11-20T10:00:00Z", words=2)
    await writer.add(3, replace(END, ended_at=LONG_AGO))
    async with streaming(service.client, writer.path) as stream:
        await stream.until_end()
    last = {"Last-Event-ID": stream.last_id}
    assert stream.events[-1].data["reason"] == "over"
    assert (await service.client.get(writer.path, headers=last)).status_code == 204
    await writer.begin(2, words=1)
    async with streaming(service.client, writer.path, last_id=stream.last_id) as again:
        await again.until(lambda: again.seqs(writer.sid(2)) == [1])
    assert again.seqs(writer.sid()) == []


async def test_lines_hold_any_text(service: RunningService, writer: Writer) -> None:
    """Case 16: what some clients take for a line break is escaped, so an event has one `data:` line."""
    said = "one\u2028two\u2029three\u0085four\nfive\r\nsix\x0bseven\x0ceight\x1cnine\n\nid: 9 שלום 👩🏽‍💻"
    speaker = replace(BOB, label="Zoë\n\nevent: forged")
    await writer.begin()
    await writer.add(1, replace(segment(said, 1.0, speaker), words=()))
    async with streaming(service.client, writer.path) as stream:
        await stream.until_seq(1)
    event = stream.events[-1]
    assert event.data["text"] == said
    assert event.data["speaker"] == speaker.label
    lines = event.raw.splitlines()  # Python's own idea of lines, which takes all of them for an end
    assert [line.partition(":")[0] for line in lines] == ["event", "data", "id"]
    assert json.loads(lines[1].removeprefix("data: ")) == event.data
    assert "one\\u2028two\\u2029three\\u0085four\\nfive" in lines[1]


async def test_headers_alone_end_at_once(service: RunningService, writer: Writer) -> None:
    """HEAD tells the kind of answer, and holds nothing open."""
    await writer.begin()
    async with asyncio.timeout(5):
        answer = await service.client.head(writer.path)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"].startswith("text/event-stream")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_position_that_is_not_known_begins_anew(service: RunningService, writer: Writer) -> None:
    """The whole record for an id of another stream, ahead of the record, or in a lost session."""
    await writer.begin(words=2)
    assert (await service.client.get(f"{writer.path}?after=x")).status_code == 422
    for unknown in (f"3@{writer.sid()}", "1@RM_gone", "zzz"):
        async with streaming(service.client, writer.path, last_id=unknown) as stream:
            await stream.until_seq(2)
        assert stream.seqs() == [1, 2]
        assert stream.events[0].data["after"] == 0
    answer = await service.client.get("/rooms/other/stream", headers={"Last-Event-ID": "1@RM_gone"})
    assert answer.status_code == 204


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_service_that_stops_lets_its_readers_go(
    tmp_path: Path, database_url: str, writer: Writer
) -> None:
    """Case 15: three readers, one of whom reads nothing; the service ends, and they go on with the next."""
    big = segment("x" * 20_000, 1.0)
    await writer.begin()
    await writer.add(1, *(replace(big, segment_id=f"SG_{number}") for number in range(600)))
    async with (
        running_service(tmp_path, DATABASE_URL=database_url) as service,
        streaming(service.client, writer.path) as first,
        streaming(service.client, writer.path) as second,
        streaming(service.client, writer.path),
    ):
        await first.until_seq(600)
        await second.until_seq(600)
        began = time.monotonic()
        assert await service.stop() == 0
        assert time.monotonic() - began < 5
        for stream in (first, second):
            (*_, last) = await stream.until_end()
            assert (last.event, last.data) == ("closing", {"reason": "stopping", "again": True})
    await writer.add(601, segment("said meanwhile"))
    async with running_service(tmp_path, DATABASE_URL=database_url, PORT=str(service.port)) as successor:
        for stream in (first, second):
            async with streaming(successor.client, writer.path, last_id=stream.last_id) as again:
                await writer.add(602, segment("and now"))
                await again.until_seq(602)
            assert stream.seqs() + again.seqs() == list(range(1, 603))


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_streams_are_counted(tmp_path: Path, database_url: str, writer: Writer) -> None:
    """So many in total, so many a participant; a place is free again when its reader has gone."""
    await writer.begin(words=1)
    env = {"LIVEKIT_URL": "ws://127.0.0.1:9", "LIVEKIT_API_KEY": "APIkey", "LIVEKIT_API_SECRET": SECRET}
    async with running_service(
        tmp_path, DATABASE_URL=database_url, API_KEY="a-key", MAX_STREAMS="10", LOG_LEVEL="debug", **env
    ) as service:
        anna = token(writer.room).to_jwt()
        as_anna, by_key = bearer(anna), bearer("a-key")
        async with AsyncExitStack() as stack:
            for _ in range(8):
                await stack.enter_async_context(streaming(service.client, writer.path, **as_anna))
            await stack.enter_async_context(streaming(service.client, writer.path, **by_key))
            async with streaming(service.client, writer.path, **by_key):
                full = await service.client.get(writer.path, headers=by_key)
                assert (full.status_code, full.headers["retry-after"]) == (503, "5")
            async with asyncio.timeout(10):
                while (answer := await service.client.get(writer.path, headers=as_anna)).status_code == 503:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)  # until the service has heard of it
            assert (answer.status_code, answer.headers["retry-after"]) == (429, "5")
        async with streaming(service.client, f"{writer.path}?access_token={anna}") as stream:
            await stream.until_seq(1)
        assert (await service.client.get(f"{writer.path}?access_token=a-key")).status_code == 401
        assert (await service.client.get(f"/rooms/b/stream?access_token={anna}")).status_code == 403
        await service.stop()
    log = "".join(service.lines)
    assert "action=streams_full" in log
    assert anna not in log
    assert "access_token" not in log
    assert "word1" not in log
