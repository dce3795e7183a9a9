"""Status and analytics over HTTP: of a room that runs, has ended, waits, was never there."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from agent.core.model import Accounting, Reason, State, Status
from agent.core.succession import Marks
from agent.http.figures import RoomAnalytics
from agent.http.overview import RoomStatus
from agent.store.memory import MemoryStore
from agent.store.protocol import Stored
from tests.contract.record import BOB, END, ENDED, LISTENING, STARTED, gap, segment
from tests.http.service import calling

OPEN = {"room": "a", "session": "RM_1", "started_at": STARTED, "ended_at": None, "last_seq": 4}


def some(answer: dict[str, object], *names: str) -> dict[str, object]:
    """The fields of `OPEN` and these."""
    return {name: answer[name] for name in (*OPEN, *names)}


async def recorded() -> MemoryStore:
    """A question, its answer, and something that is missing later."""
    store = MemoryStore()
    await store.open_session("a", "RM_1", STARTED)
    items = [LISTENING, segment("Who are you?", 1.0), segment("I am Bob.", 4.0, BOB), gap(9.0)]
    await store.write("RM_1", 1, [Stored(seq, item) for seq, item in enumerate(items, start=1)])
    return store


async def test_a_room_that_runs() -> None:
    """As long as its transcriber shows that it lives."""
    store = await recorded()
    await store.beat("RM_1", 1, None)
    async with calling(store) as client:
        answer = (await client.get("/rooms/a/status")).json()
    assert RoomStatus.model_validate(answer)
    assert some(answer, "transcription") == {**OPEN, "transcription": "running"}
    assert answer["state"]["state"] == "listening"
    written = datetime.fromisoformat(answer["written_at"])
    assert 0 <= (datetime.now(UTC) - written).total_seconds() < 60


async def test_a_silent_meeting_is_told_from_one_without_words_and_one_without_answers() -> None:
    """By the state and the seconds of speech, while they run and when they have ended; lists say the same."""
    wordless = Status(State.DEGRADED, Reason.NO_WORDS, BOB, "no words")
    unanswered = Status(State.DEGRADED, Reason.RECOGNIZER_ERROR, BOB, "no answer")
    meetings: dict[str, tuple[list[Status], Accounting]] = {
        "silent": ([LISTENING], Accounting(BOB, heard=60.0)),
        "wordless": ([LISTENING, wordless], Accounting(BOB, 60.0, 20.0, 20.0, 20.0, wordless=20.0)),
        "unanswered": ([LISTENING, unanswered], Accounting(BOB, 60.0, 20.0, 80.0, 0.0, 20.0)),
    }
    store = MemoryStore()
    for room, (said, sums) in meetings.items():
        await store.open_session(room, room, STARTED)
        await store.write(room, 1, [Stored(seq, one) for seq, one in enumerate(said, start=1)])
        await store.save_accounting(room, 1, [sums])
    expected = {
        "silent": (None, 0.0, 0.0, 0.0),
        "wordless": ("no_words", 20.0, 0.0, 20.0),
        "unanswered": ("recognizer_error", 20.0, 20.0, 0.0),
    }

    def figures(answer: dict[str, Any]) -> tuple[Any, ...]:
        return (answer["state"]["reason"], answer["speech"], answer["unanswered"], answer["wordless"])

    async with calling(store) as client:
        for ended in (False, True):
            for room in meetings if ended else ():
                await store.write(room, 1, [Stored(9, replace(END, accounting=(meetings[room][1],)))])
            listed = (await client.get("/transcripts")).json()["sessions"]
            assert {one["room"]: figures(one) for one in listed} == expected
            for room in meetings:
                answer = (await client.get(f"/rooms/{room}/status")).json()
                assert figures(answer) == expected[room]
                assert (answer["ended_at"] is not None) == ended


async def test_a_room_whose_transcriber_is_gone_waits() -> None:
    """Nothing is heard of it, though the session has not ended."""
    store = await recorded()
    await store.release("RM_1", 1, Marks(12.0))
    async with calling(store) as client:
        answer = (await client.get("/rooms/a/status")).json()
    assert some(answer, "transcription") == {**OPEN, "transcription": "waiting"}


async def test_a_room_that_has_ended() -> None:
    """Though a beat is still fresh; earlier lives by their sid."""
    store = await recorded()
    await store.beat("RM_1", 1, None)
    await store.write("RM_1", 1, [Stored(5, END)])
    async with calling(store) as client:
        answer = (await client.get("/rooms/a/status")).json()
        assert (answer["transcription"], answer["ended_at"], answer["last_seq"]) == ("ended", ENDED, 5)
        await store.open_session("a", "RM_2", "2026-11-26T10:00:00Z")
        assert (await client.get("/rooms/a/status")).json()["session"] == "RM_2"
        assert (await client.get("/rooms/a/status?session=RM_1")).json()["transcription"] == "ended"
        assert (await client.get("/rooms/a/status?session=RM_3")).status_code == 404


@pytest.mark.parametrize("call", ["status", "analytics"])
async def test_a_room_that_nobody_knows(call: str) -> None:
    """404, also when LiveKit cannot be asked or is not configured."""
    for env in ({}, {"LIVEKIT_URL": "", "LIVEKIT_API_KEY": "", "LIVEKIT_API_SECRET": ""}):
        async with calling(await recorded(), **env) as client:
            answer = await client.get(f"/rooms/unknown/{call}")
            assert (answer.status_code, answer.json()) == (404, {"detail": "No transcript of this room."})


async def test_analytics_of_a_room() -> None:
    """The figures under the session's head, seconds in milliseconds."""
    async with calling(await recorded()) as client:
        answer = (await client.get("/rooms/a/analytics")).json()
    assert RoomAnalytics.model_validate(answer)
    assert some(answer) == OPEN
    assert (answer["talk_seconds"], answer["words"], answer["turns"], answer["gap_seconds"]) == (
        3.0,
        6,
        2,
        3.0,
    )
    interviewer, candidate = answer["speakers"]
    assert interviewer["speaker"]["label"] == "interviewer"
    assert (candidate["share"], candidate["words_a_minute"], candidate["responses"]) == (0.5, 120.0, 1)
    [response] = answer["responses"]
    assert (response["question"], response["seconds"]) == ("Who are you?", 1.5)


async def test_analytics_of_a_silent_room() -> None:
    """Zeros and empty lists (case 8)."""
    store = MemoryStore()
    await store.open_session("quiet", "RM_1", STARTED)
    async with calling(store) as client:
        answer = (await client.get("/rooms/quiet/analytics")).json()
        assert RoomAnalytics.model_validate(answer)
        assert (answer["talk_seconds"], answer["speakers"], answer["responses"]) == (0.0, [], [])
        assert (await client.get("/rooms/quiet/status")).status_code == 200


async def test_they_are_documented() -> None:
    """With a description and an example of every figure that is not a list or an object."""
    async with calling() as client:
        document = (await client.get("/openapi.json")).json()
    for call in ("status", "analytics"):
        asked = document["paths"][f"/rooms/{{name}}/{call}"]["get"]
        assert asked["summary"]
        assert asked["description"]
        assert {"200", "401", "403", "404", "503"} <= asked["responses"].keys()
    for shape in ("SpeakerFiguresShape", "RoomAnalytics", "RoomStatus", "ResponseShape"):
        found = document["components"]["schemas"][shape]
        for name, field in found["properties"].items():
            assert "examples" in field or "$ref" in str(field), (shape, name)
