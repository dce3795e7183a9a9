"""The record over HTTP: shapes, what is new since, earlier lives, text; and a store that is away."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.core.fields import accounting_fields, gap_fields, segment_fields, status_fields, window_fields
from agent.core.model import Speaker
from agent.core.supervision import Watched
from agent.errors import StoreError
from agent.http.record import Transcript, Windows
from agent.store.late import LateReader
from agent.store.memory import MemoryStore
from agent.store.protocol import Stored
from tests.contract.record import BOB, DEGRADED, END, ENDED, LISTENING, STARTED, gap, segment, sums, window
from tests.http.service import calling


async def recorded() -> MemoryStore:
    """A session that runs."""
    store = MemoryStore()
    await store.open_session("a", "RM_1", STARTED)
    items = [
        LISTENING,
        segment("two", 65.4),
        segment("one", 4.9, BOB),
        gap(),
        window(),
        DEGRADED,
        window(0, 2),
    ]
    await store.write("RM_1", 1, [Stored(seq, item) for seq, item in enumerate(items, start=1)])
    await store.save_accounting("RM_1", 1, [sums()])
    return store


async def test_a_transcript_is_in_order_of_time() -> None:
    """Segments by start, gaps, state and sums, in the words of the room's messages."""
    async with calling(await recorded()) as client:
        answer = await client.get("/rooms/a/transcript")
    assert answer.status_code == 200
    assert answer.json() == {
        "room": "a",
        "session": "RM_1",
        "started_at": STARTED,
        "ended_at": None,
        "last_seq": 7,
        "state": status_fields(DEGRADED),
        "segments": [
            {"seq": 3, **segment_fields(segment("one", 4.9, BOB))},
            {"seq": 2, **segment_fields(segment("two", 65.4))},
        ],
        "gaps": [{"seq": 4, **gap_fields(gap())}],
        "accounting": [accounting_fields(sums())],
    }


async def test_windows_are_the_latest() -> None:
    """One of each, with the same head."""
    async with calling(await recorded()) as client:
        answer = await client.get("/rooms/a/windows")
    assert answer.json()["windows"] == [{"seq": 7, **window_fields(window(0, 2))}]
    assert answer.json()["last_seq"] == 7


async def test_the_documented_shapes_are_the_sent_ones() -> None:
    """Neither has a field that the other lacks."""
    store = await recorded()
    await store.write("RM_1", 1, [Stored(8, END)])
    async with calling(store) as client:
        Transcript.model_validate((await client.get("/rooms/a/transcript")).json(), strict=False)
        Windows.model_validate((await client.get("/rooms/a/windows")).json(), strict=False)


async def test_after_gives_what_is_new() -> None:
    """A reader that asks with each answer's `last_seq` gets every segment and gap once."""
    store = await recorded()
    seen: list[int] = []
    after = 0
    async with calling(store) as client:
        for seq in range(8, 12):
            answer = (await client.get("/rooms/a/transcript", params={"after": after})).json()
            seen += [one["seq"] for one in answer["segments"] + answer["gaps"]]
            after = answer["last_seq"]
            await store.write("RM_1", 1, [Stored(seq, segment("more", -1.0 * seq))])
    assert sorted(seen) == [2, 3, 4, 8, 9, 10]


async def test_what_arrives_while_reading_is_left_to_the_next_question() -> None:
    """Otherwise it would be told twice: its seq is above the `last_seq` of the answer."""

    class Busy(MemoryStore):
        async def segments(self, session: str, after: int = 0) -> list[tuple[int, object]]:  # type: ignore[override]
            await self.write(session, 1, [Stored(2, segment("late")), Stored(3, gap(7.0))])
            return list(await super().segments(session, after))

    store = Busy()
    await store.open_session("a", "RM_1", STARTED)
    await store.write("RM_1", 1, [Stored(1, segment("early"))])
    async with calling(store) as client:
        answer = (await client.get("/rooms/a/transcript")).json()
        assert (answer["last_seq"], [one["seq"] for one in answer["segments"]], answer["gaps"]) == (
            1,
            [1],
            [],
        )
        answer = (await client.get("/rooms/a/transcript?after=1")).json()
        assert [one["seq"] for one in answer["segments"] + answer["gaps"]] == [2, 3]


async def test_a_room_in_which_nothing_was_said() -> None:
    """200 with nothing in it (case 8); a room nobody knows is 404."""
    store = MemoryStore()
    await store.open_session("quiet", "RM_1", STARTED)
    async with calling(store) as client:
        for room, status in (("quiet", 200), ("unknown", 404)):
            transcript = await client.get(f"/rooms/{room}/transcript")
            windows = await client.get(f"/rooms/{room}/windows")
            text = await client.get(f"/rooms/{room}/transcript?format=txt")
            assert [one.status_code for one in (transcript, windows, text)] == [status] * 3
            if status == 200:
                assert (transcript.json()["segments"], windows.json()["windows"], text.text) == ([], [], "")
                assert transcript.json()["state"] is None
            else:
                assert transcript.json() == {"detail": "No transcript of this room."}


async def test_an_earlier_life_of_the_room() -> None:
    """By its sid; the latest one otherwise."""
    store = await recorded()
    await store.write("RM_1", 1, [Stored(8, END)])
    await store.open_session("a", "RM_2", "2026-11-26T10:00:00Z")
    async with calling(store) as client:
        latest = (await client.get("/rooms/a/transcript")).json()
        earlier = (await client.get("/rooms/a/transcript?session=RM_1")).json()
        assert (latest["session"], latest["segments"]) == ("RM_2", [])
        assert (earlier["session"], earlier["ended_at"], len(earlier["segments"])) == ("RM_1", ENDED, 2)
        assert (await client.get("/rooms/a/windows?session=RM_3")).status_code == 404
        assert (await client.get("/rooms/a/windows?session=")).status_code == 422


async def test_text_is_utf8_one_line_a_segment() -> None:
    """Names and texts in any Unicode, line breaks of any kind taken out."""
    store = await recorded()
    speaker = Speaker("z", "Zoë", "", "Zoë 👩🏽‍💻\n[00:00:00] forged")
    await store.write("RM_1", 1, [Stored(8, segment("שלום\u2028to\x85you", 3599.9996, speaker))])
    async with calling(store) as client:
        answer = await client.get("/rooms/a/transcript?format=txt")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.content.decode() == (
        "[00:00:04] candidate: [missing until 00:00:07: recognizer unreachable]\n"
        "[00:00:04] candidate: one\n"
        "[00:01:05] interviewer: two\n"
        "[01:00:00] Zoë 👩🏽‍💻 [00:00:00] forged: \u202bשלום to you\u202c\n"
    )


async def test_answers_hold_any_text() -> None:
    """What the store replaced is no fault any more, and line separators stay."""
    store = MemoryStore()
    await store.open_session("a", "RM_1", STARTED)
    said = replace(segment("x"), text="one\u2028two\ud800\0</script>", words=())
    await store.write("RM_1", 1, [Stored(1, said)])
    async with calling(store) as client:
        answer = await client.get("/rooms/a/transcript")
    assert answer.json()["segments"][0]["text"] == "one\u2028two\ufffd\ufffd</script>"


@pytest.mark.parametrize("path", ["/rooms/a/transcript", "/rooms/a/windows"])
async def test_a_store_that_is_away_is_503(path: str, unused_tcp_port: int) -> None:
    """The caller may try again; where the database is stays in the log."""
    store = LateReader(f"postgresql://someone:swordfish@127.0.0.1:{unused_tcp_port}/record")
    async with calling(store) as client:
        answer = await client.get(path)
    assert answer.status_code == 503
    assert answer.json() == {"detail": "The record cannot be read at the moment; try again."}


async def test_a_fault_of_our_own_is_500_without_its_text() -> None:
    """No traceback and no message of an exception leaves the service."""

    class Broken(MemoryStore):
        async def find_session(self, room: str, session: str | None = None) -> None:  # type: ignore[override]
            raise RuntimeError("swordfish")

    async with calling(Broken()) as client:
        answer = await client.get("/rooms/a/transcript", headers={"Origin": "https://app.example.com"})
    assert (answer.status_code, answer.json()) == (500, {"detail": "Internal error; it is logged."})


async def test_a_late_reader_says_what_its_store_says(tmp_path_factory: pytest.TempPathFactory) -> None:
    """All of the reading side, from a database that is made at the first question; a bad URL is its fault."""
    folder = tmp_path_factory.mktemp("late")
    late = LateReader(f"sqlite:///{folder}/record.db")
    assert await late.find_session("a") is None
    assert [
        await late.items("x"),
        await late.segments("x"),
        await late.windows("x"),
        await late.gaps("x"),
    ] == [
        [],
        [],
        [],
        [],
    ]
    assert await late.end_of("x") is None
    assert await late.watched(["x"]) == {"x": Watched()}
    await late.migrate()
    await late.aclose()
    with pytest.raises(StoreError, match="DATABASE_URL"):
        await LateReader("nothing://").migrate()
