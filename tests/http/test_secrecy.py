"""Every kind of error, provoked: neither the answer nor the log tells what was said, by whom, or a secret."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest

from agent.errors import StoreError
from agent.http import overview
from agent.http.grants import Role, mint
from agent.store import open_store
from agent.store.memory import MemoryStore
from agent.store.protocol import RoomLife, SessionInfo, Stored
from tests.contract.record import STARTED, segment
from tests.http.service import KEY, SECRET, bearer, calling, settings

SPOKEN = "confidential utterance"
ROOM = "interview of zoe"
TOKEN = mint(settings(), room=ROOM, identity="zoe-7", name="Zoe", role=Role.CANDIDATE)
TOLD = (SPOKEN, "confidential", ROOM, "zoe", KEY, SECRET, TOKEN, "eyJ", "hunter2")
"""Nothing of this may be in a log, nor in the answer to an error."""


class Broken(MemoryStore):
    """A store whose errors quote what is in it, as those of libraries do."""

    def __init__(self, make: Callable[[str], Exception]) -> None:
        super().__init__()
        self._make = make

    async def find_session(self, room: str, session: str | None = None) -> SessionInfo | None:
        """See `Reader.find_session`."""
        try:
            raise KeyError(f"{room} {session} {SPOKEN} {KEY} {TOKEN}")
        except KeyError as error:
            raise self._make(f"row ({room}, {SPOKEN})") from error

    async def lives(self, room: str, since: str | None = None) -> list[RoomLife]:
        """See `Reader.lives`."""
        raise self._make(f"row ({room}, {SPOKEN})")


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Callable[[], str]:
    """All that was logged, with tracebacks and fields, as it would be without the cutting out of secrets."""
    caplog.set_level(logging.INFO)
    plain = logging.Formatter()

    def lines() -> str:
        mine = [one for one in caplog.records if not one.name.startswith(("httpx", "asyncio"))]
        return "\n".join(f"{plain.format(one)} {vars(one)}" for one in mine)

    return lines


CALLS: list[tuple[str, str, dict[str, Any], set[int]]] = [
    ("GET", "/rooms/interview%20of%20zoe/transcript", {"headers": bearer("hunter2")}, {401}),
    ("GET", "/rooms/interview%20of%20zoe/transcript?access_token=hunter2", {}, {401}),
    ("GET", f"/rooms/other/stream?access_token={TOKEN}", {}, {403}),
    ("GET", "/rooms/interview%20of%20zoe/transcript?session=hunter2!", {"headers": bearer(KEY)}, {422}),
    ("GET", "/rooms/interview%20of%20zoe/transcript?format=hunter2", {"headers": bearer(TOKEN)}, {422}),
    ("GET", "/rooms/interview%20of%20zoe/stream?after=hunter2", {"headers": bearer(TOKEN)}, {422}),
    ("GET", "/rooms/interview%20of%20zoe/nothing", {"headers": bearer(KEY)}, {404, 405}),
    ("GET", "/hunter2", {}, {404}),
    ("GET", "/rooms/interview%20of%20zoe%FF/transcript", {}, {400}),
    ("DELETE", "/rooms/interview%20of%20zoe", {"headers": bearer(KEY)}, {503}),
    ("GET", "/rooms/interview%20of%20zoe/participants", {"headers": bearer(KEY)}, {503}),
    ("POST", "/rooms/create", {"headers": bearer(KEY), "json": {"room_name": ROOM}}, {503}),
    (
        "POST",
        "/tokens/generate",
        {"headers": bearer(KEY), "json": {"room_name": ROOM, "role": "hunter2"}},
        {422},
    ),
    ("POST", "/tokens/generate", {"headers": bearer(KEY), "content": b"hunter2 " * 20_000}, {413}),
    ("POST", "/webhook", {"headers": {"Authorization": TOKEN}, "content": b'{"event": "hunter2"}'}, {401}),
    ("GET", "/rooms/interview%20of%20zoe/transcript", {"headers": {"X": "hunter2" * 3000}}, {431}),
]


async def test_refusals_tell_nothing(log: Callable[[], str]) -> None:
    """Of each kind that a caller can provoke."""
    store = MemoryStore()
    await store.open_session(ROOM, "RM_1", STARTED)
    await store.write("RM_1", 1, [Stored(1, segment(SPOKEN))])
    async with calling(store, credential=None) as client:
        for method, path, options, statuses in CALLS:
            answer = await client.request(method, path, **options)
            assert answer.status_code in statuses, path
            assert isinstance(answer.json()["detail"], str | list)
            assert [one for one in TOLD if one in answer.text] == [], path
    assert log().count("call_answered") >= len(CALLS) - 1
    assert [one for one in TOLD if one in log()] == []


@pytest.mark.parametrize(("make", "status"), [(StoreError, 503), (RuntimeError, 500), (ValueError, 500)])
async def test_faults_tell_nothing(
    make: Callable[[str], Exception], status: int, log: Callable[[], str]
) -> None:
    """Ours are logged with where they came from, and without their messages."""
    async with calling(Broken(make), credential=TOKEN) as client:
        for call in ("transcript", "windows", "status", "analytics", "stream"):
            answer = await client.get(f"/rooms/interview%20of%20zoe/{call}")
            assert answer.status_code == status
            assert [one for one in TOLD if one in answer.text] == []
    if status == 500:
        assert f"builtins.{make.__name__}, whose message is not shown" in log()
        assert "in find_session" in log(), "where it was"
        assert [one for one in TOLD if one in _without_locals(log())] == []


def _without_locals(text: str) -> str:
    """Tracebacks quote lines of this file, among them those that name what must not be told."""
    return "\n".join(line for line in text.splitlines() if not line.startswith("    "))


async def test_an_answer_of_a_wrong_shape_tells_nothing(
    log: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """pydantic quotes the value that does not fit, and here that is speech."""
    monkeypatch.setattr(overview, "analyse", lambda *_: {"talk_seconds": SPOKEN})
    store = MemoryStore()
    await store.open_session(ROOM, "RM_1", STARTED)
    async with calling(store, credential=TOKEN) as client:
        answer = await client.get("/rooms/interview%20of%20zoe/analytics")
    assert (answer.status_code, answer.json()) == (500, {"detail": "Internal error; it is logged."})
    assert "ValidationError" in log()
    assert [one for one in TOLD if one in log()] == []


async def test_no_text_breaks_the_database(postgres_url: str) -> None:
    """PostgreSQL fails on a NUL: each text of each call is refused with one, or does no harm."""
    store = open_store(postgres_url)
    await store.migrate()
    await store.open_session("a", "RM_1", STARTED)
    async with calling(store) as client:
        document = (await client.get("/openapi.json")).json()["paths"]
        tried = 0
        for path, calls in document.items():
            for method, call in calls.items():
                texts = [
                    one["name"] for one in call.get("parameters", []) if one["in"] in ("query", "header")
                ]
                places = [path.replace("{name}", "a%00b")] if "{name}" in path else []
                places += [f"{path.replace('{name}', 'a')}?{name}=1%00" for name in texts]
                for place in places:
                    if method == "get" and "/stream" in place and "?" in place and "session" not in place:
                        continue  # would be followed for ever
                    answer = await client.request(method, place)
                    assert answer.status_code < 500, f"{method} {place}: {answer.text}"
                    tried += 1
        assert tried > 15
        for last_id in ("1@%00", "1@a%00b"):
            answer = await client.head("/rooms/a/stream", headers={"Last-Event-ID": last_id})
            assert answer.status_code == 200
    await store.aclose()


async def test_a_call_that_takes_too_long_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    """503, and what it waited for is cancelled; a stream may go on for hours."""
    monkeypatch.setattr("agent.http.limits.BEGIN_SECONDS", 0.1)
    cancelled = asyncio.Event()

    class Slow(MemoryStore):
        async def find_session(self, room: str, session: str | None = None) -> SessionInfo | None:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                cancelled.set()
                raise
            return None

    async with calling(Slow()) as client:
        answer = await client.get("/rooms/a/transcript")
    assert (answer.status_code, "takes too long" in answer.text, cancelled.is_set()) == (503, True, True)
