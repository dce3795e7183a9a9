"""The list of sessions over HTTP: pages, filters, search, and what is refused."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

from agent.core.fields import status_fields
from agent.http.listing import CURSOR, MAX_CURSOR_CHARS, MAX_SEARCH_CHARS, Sessions, cursor_of, position_of
from agent.store.listing import Position
from agent.store.memory import MemoryStore
from agent.store.protocol import Stored
from tests.contract.record import BOB, END, ENDED, LISTENING, STARTED, segment
from tests.http.service import bearer, calling, participant


async def recorded(count: int = 5) -> MemoryStore:
    """That many sessions, one an hour; the first has ended."""
    store = MemoryStore()
    for number in range(1, count + 1):
        sid = f"RM_{number}"
        await store.open_session(f"room {number % 2}", sid, f"2026-11-25T{number:02}:00:00.250Z")
        await store.write(sid, 1, [Stored(1, LISTENING), Stored(2, segment(f"number {number}", 4.2, BOB))])
    await store.write("RM_1", 1, [Stored(3, END)])
    return store


async def listed(client: httpx.AsyncClient, **query: Any) -> list[str]:
    """The sessions of one page."""
    answer = await client.get("/transcripts", params=query)
    assert answer.status_code == 200, answer.text
    return [one["session"] for one in answer.json()["sessions"]]


async def test_a_page_tells_of_each_session_what_a_transcript_begins_with() -> None:
    """The newest first; nothing in it that is not documented."""
    async with calling(await recorded()) as client:
        answer = (await client.get("/transcripts")).json()
        transcript = (await client.get("/rooms/room 1/transcript?session=RM_1")).json()
    Sessions.model_validate(answer)
    assert [one["session"] for one in answer["sessions"]] == ["RM_5", "RM_4", "RM_3", "RM_2", "RM_1"]
    assert answer["next"] is None
    first = answer["sessions"][-1]
    assert first == {
        **{name: transcript[name] for name in ("room", "session", "started_at", "last_seq", "state")},
        "ended_at": ENDED,
        "erased_at": None,
        "speech": 25.0,
        "unanswered": 6.0,
        "wordless": 0.5,
        "matched": 0,
        "matches": [],
    }
    assert first["state"] == status_fields(LISTENING)


async def test_nothing_is_a_page() -> None:
    """200 with nothing in it."""
    async with calling() as client:
        assert (await client.get("/transcripts")).json() == {"sessions": [], "next": None}


@pytest.mark.parametrize("limit", [1, 2, 4, 5, 6])
async def test_pages_have_every_session_once(limit: int) -> None:
    """Also when others begin meanwhile; the last page has no `next`."""
    store = await recorded()
    seen: list[str] = []
    query: dict[str, Any] = {"limit": limit}
    async with calling(store) as client:
        for number in range(10, 20):
            page = (await client.get("/transcripts", params=query)).json()
            seen += [one["session"] for one in page["sessions"]]
            await store.open_session("late", f"RM_{number}", f"2026-11-25T{number:02}:00:00Z")
            if page["next"] is None:
                break
            query["cursor"] = page["next"]
    assert seen == ["RM_5", "RM_4", "RM_3", "RM_2", "RM_1"]


async def test_filters() -> None:
    """Of a room, that run or have ended, that started in a stretch of time."""
    async with calling(await recorded()) as client:
        assert await listed(client, room="room 0") == ["RM_4", "RM_2"]
        assert await listed(client, room="room") == []
        assert await listed(client, only="ended") == ["RM_1"]
        assert await listed(client, only="running", room="room 1") == ["RM_5", "RM_3"]
        assert await listed(client, started_from="2026-11-25T04:00:00.250Z") == ["RM_5", "RM_4"]
        assert await listed(client, started_before="2026-11-25T03:00:00.250+01:00") == ["RM_1"]
        assert await listed(client, started_before="2026-11-25") == []


async def test_what_was_said_is_found() -> None:
    """With the segments, which can be looked up in the transcript by their seq."""
    async with calling(await recorded()) as client:
        page = (await client.get("/transcripts", params={"q": '"NUMBER 3"'})).json()
        assert [(one["session"], one["matched"]) for one in page["sessions"]] == [("RM_3", 1)]
        assert page["sessions"][0]["matches"] == [
            {"seq": 2, "start": 4.2, "speaker": "candidate", "text": "number 3"}
        ]
        assert await listed(client, q="number", limit=2) == ["RM_5", "RM_4"]
        assert await listed(client, q="number", only="ended") == ["RM_1"]
        assert await listed(client, q="zookeeper") == []
        assert await listed(client, q="—") == []
        for number in range(1, MAX_SEARCH_CHARS):
            assert await listed(client, q="\"'*():^-%_\\\0"[number % 12] * number + "x") == []


@pytest.mark.parametrize(
    ("query", "field", "says"),
    [
        ("q=", "q", "at least 1"),
        ("q=" + "x" * (MAX_SEARCH_CHARS + 1), "q", str(MAX_SEARCH_CHARS)),
        ("limit=0", "limit", "1"),
        ("limit=101", "limit", "100"),
        ("limit=x", "limit", "integer"),
        ("only=both", "only", "running"),
        ("room=" + "x" * 257, "room", "256"),
        ("started_from=yesterday", "started_from", "ISO 8601"),
        ("started_before=", "started_before", "ISO 8601"),
        ("started_from=2026-11-25T10:00:00+01:00", "started_from", "%2B"),
        ("started_from=0001-01-01T00:00:00%2B14:00", "started_from", "ISO 8601"),
        ("cursor=", "cursor", "pattern"),
        ("cursor=1", "cursor", "pattern"),
        ("cursor=x.524d", "cursor", "pattern"),
        ("cursor=1.5", "cursor", "pattern"),
        ("cursor=1.5G", "cursor", "pattern"),
        ("cursor=%D9%A1.524d", "cursor", "pattern"),
        ("cursor=1234567890123456.524d", "cursor", "pattern"),
        ("cursor=1." + "41" * (MAX_CURSOR_CHARS // 2), "cursor", str(MAX_CURSOR_CHARS)),
    ],
)
async def test_a_query_with_a_fault_is_refused(query: str, field: str, says: str) -> None:
    """422 that names the parameter and what it may be; what was sent does not come back."""
    async with calling() as client:
        answer = await client.get(f"/transcripts?{query}")
    assert answer.status_code == 422
    [fault] = answer.json()["detail"]
    assert fault["loc"] == ["query", field]
    assert says in fault["msg"]
    assert set(fault) == {"type", "loc", "msg"}


@pytest.mark.parametrize("session", ["", "RM_1", "ünï/cödé 面\0", "x" * 256])
def test_a_cursor_is_one_word_of_any_session(session: str) -> None:
    """It is read back, and needs no escaping in an address."""
    cursor = cursor_of(Position(1795600800250, session))
    assert position_of(cursor) == Position(1795600800250, session)
    assert re.fullmatch(CURSOR, cursor)
    assert httpx.QueryParams({"cursor": cursor}) == httpx.QueryParams(f"cursor={cursor}")


async def test_any_word_like_a_cursor_is_some_place() -> None:
    """Before the first year, after the last one, with bytes that are no text."""
    async with calling(await recorded()) as client:
        assert await listed(client, cursor="-999999999999999.ff") == []
        assert len(await listed(client, cursor="999999999999999.00ff")) == 5


async def test_a_participant_may_not_list() -> None:
    """Its token reads one room; that there are others is not its business."""
    async with calling(await recorded(), credential=None) as client:
        assert (await client.get("/transcripts")).status_code == 401
        answer = await client.get("/transcripts?room=room 1", headers=bearer(participant("room 1")))
        assert answer.status_code == 403
        assert "RM_" not in answer.text


async def test_this_machine_may_when_no_key_is_set() -> None:
    """As with every other call."""
    async with calling(await recorded(), credential=None, API_KEY="") as client:
        assert len(await listed(client)) == 5
    async with calling(await recorded(), credential=None, host="example.com", API_KEY="") as client:
        assert (await client.get("/transcripts")).status_code == 403


async def test_each_call_about_a_record_takes_an_earlier_session() -> None:
    """Whatever reads a room's record reads each of its lives: what is listed can be read."""
    async with calling() as client:
        paths = (await client.get("/openapi.json")).json()["paths"]
    reading = {
        path: {one["name"] for one in calls["get"]["parameters"]}
        for path, calls in paths.items()
        if "get" in calls and path.startswith("/rooms/{name}/") and "transcripts" in calls["get"]["tags"]
    }
    assert len(reading) >= 5
    assert {path for path, names in reading.items() if "session" not in names} == set()


async def test_an_earlier_session_is_read_by_each_call() -> None:
    """Of a room with two lives; a session of another room is none of this one."""
    store = MemoryStore()
    await store.open_session("a", "RM_1", STARTED)
    await store.write("RM_1", 1, [Stored(1, segment("alpha")), Stored(2, END)])
    await store.open_session("a", "RM_2", "2026-11-26T10:00:00Z")
    await store.open_session("b", "RM_3", STARTED)
    async with calling(store) as client:
        for call in ("transcript", "windows", "status", "analytics"):
            answer = await client.get(f"/rooms/a/{call}?session=RM_1")
            assert (answer.status_code, answer.json()["session"]) == (200, "RM_1")
            assert (await client.get(f"/rooms/a/{call}?session=RM_3")).status_code == 404
