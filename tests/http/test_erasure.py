"""Erasing over HTTP: what the caller gets, and what everybody who reads gets afterwards."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from agent.store.memory import MemoryStore
from agent.store.protocol import Stored
from agent.store.spool import Spool, Spooled, new_head
from tests.contract.record import END, ENDED, STARTED, segment, window
from tests.http.service import bearer, calling, participant
from tests.http.test_stream import CountingStore

LATER = "2026-11-26T10:00:00.250Z"
READS = (
    *("/rooms/a/transcript", "/rooms/a/transcript?format=srt", "/rooms/a/transcript?after=5"),
    *("/rooms/a/windows", "/rooms/a/analytics", "/rooms/a/status", "/rooms/a/stream"),
)
"""Every call that tells what was said, or how."""


async def recorded(*sessions: tuple[str, str]) -> MemoryStore:
    """Sessions of the room "a" that have ended: sid and start."""
    store = MemoryStore()
    for sid, started_at in sessions or [("RM_1", STARTED)]:
        await store.open_session("a", sid, started_at)
        items = [segment("hello"), window(), END]
        await store.write(sid, 1, [Stored(seq, item) for seq, item in enumerate(items, start=1)])
    return store


async def test_erasing_tells_what_is_left() -> None:
    """A tombstone; the same one when it is asked for again."""
    async with calling(await recorded()) as client:
        answer = await client.delete("/rooms/a/transcript")
        assert answer.status_code == 200
        told = answer.json()
        erased_at = told.pop("erased_at")
        assert told == {"room": "a", "session": "RM_1", "started_at": STARTED, "ended_at": ENDED}
        assert (await client.delete("/rooms/a/transcript")).json() == {**told, "erased_at": erased_at}
        assert (await client.delete("/rooms/a/transcript?session=RM_1")).status_code == 200


@pytest.mark.parametrize("path", READS)
async def test_who_reads_is_told_that_it_was_erased(path: str) -> None:
    """410 with a sentence that says when, and none of the words; with `session`, without, and by HEAD."""
    async with calling(await recorded()) as client:
        if "stream" not in path:
            assert (await client.get(path)).status_code == 200
        erased_at = (await client.delete("/rooms/a/transcript")).json()["erased_at"]
        join = "&" if "?" in path else "?"
        for answer in (await client.get(path), await client.get(f"{path}{join}session=RM_1")):
            assert answer.status_code == 410
            assert answer.json() == {"detail": f"The transcript of this session was erased at {erased_at}."}
        assert (await client.head(path)).status_code == 410


async def test_a_session_can_be_named() -> None:
    """An earlier life is erased, the latest one is not; then it is the other way round."""
    store = await recorded(("RM_1", STARTED), ("RM_2", LATER))
    async with calling(store) as client:
        assert (await client.delete("/rooms/a/transcript?session=RM_1")).json()["session"] == "RM_1"
        assert (await client.get("/rooms/a/transcript")).json()["session"] == "RM_2"
        assert (await client.get("/rooms/a/transcript?session=RM_1")).status_code == 410
        assert (await client.delete("/rooms/a/transcript")).json()["session"] == "RM_2"
        assert (await client.get("/rooms/a/transcript")).status_code == 410


async def test_what_is_not_there() -> None:
    """404, as for every call about a session that does not exist."""
    async with calling(await recorded()) as client:
        for path in ("/rooms/b/transcript", "/rooms/a/transcript?session=RM_9"):
            answer = await client.delete(path)
            assert (answer.status_code, answer.json()) == (404, {"detail": "No transcript of this room."})


async def test_a_participant_cannot_erase() -> None:
    """Not even the transcript of its own room; and a stranger cannot, nor learns whether it is there."""
    store = await recorded()
    async with calling(store, credential=None) as client:
        for room in ("a", "b"):
            path = f"/rooms/{room}/transcript"
            assert (await client.delete(path, headers=bearer(participant("a")))).status_code == 403
            assert (await client.delete(path)).status_code == 401
        answer = await client.get("/rooms/a/transcript", headers=bearer(participant("a")))
        assert answer.status_code == 200


async def test_a_room_that_lives_again_is_read_as_ever() -> None:
    """After an erasure the room's next life is its latest one."""
    store = await recorded()
    async with calling(store) as client:
        await client.delete("/rooms/a/transcript")
        await store.open_session("a", "RM_2", LATER)
        await store.write("RM_2", 1, [Stored(1, segment("new"))])
        assert (await client.get("/rooms/a/transcript")).json()["session"] == "RM_2"
        answer = await client.get(
            "/rooms/a/stream", params={"session": "RM_1"}, headers={"Last-Event-ID": "1@RM_1"}
        )
        assert answer.status_code == 204


async def test_a_stream_that_comes_again_is_told_to_stay_away() -> None:
    """A browser's `EventSource` comes again by itself, and stops at 204."""
    async with calling(await recorded()) as client:
        await client.delete("/rooms/a/transcript")
        answer = await client.get("/rooms/a/stream", headers={"Last-Event-ID": "3@RM_1"})
        assert answer.status_code == 204


async def test_a_stream_that_comes_again_goes_on_with_the_next_session() -> None:
    """What its reader had is erased; the room has lived again since, and that is told from its start."""
    store = await recorded(("RM_1", STARTED), ("RM_2", LATER))
    async with calling(store) as client:
        await client.delete("/rooms/a/transcript?session=RM_1")
        answer = await client.get("/rooms/a/stream", headers={"Last-Event-ID": "3@RM_1"})
    assert answer.status_code == 200
    assert [line for line in answer.text.splitlines() if line.startswith("id:")] == [
        f"id: {seq}@RM_2" for seq in (1, 2, 3)
    ]


async def test_a_live_stream_ends_with_the_erasure() -> None:
    """Its reader is told why, and not to come again."""
    store = CountingStore()
    await store.open_session("a", "RM_1", STARTED)
    await store.say(1, 1)
    async with calling(store) as client, asyncio.timeout(20), asyncio.TaskGroup() as group:
        stream = group.create_task(client.get("/rooms/a/stream"))
        asked = store.asked
        while store.asked < asked + 3:  # noqa: ASYNC110 - it was read, and then asked for again
            await asyncio.sleep(0.01)
        await client.delete("/rooms/a/transcript")
    text = stream.result().text
    assert "word1" in text
    assert text.rstrip().endswith('data: {"reason":"erased","again":false}')


async def test_the_spools_of_this_host_go_too(tmp_path: Path) -> None:
    """Those of the session alone, a living writer's among them."""
    store = await recorded()
    folder = tmp_path / "spool"
    spools = [Spool(folder, new_head("a", sid, STARTED), 1_000_000) for sid in ("RM_1", "RM_1", "RM_2")]
    for spool in spools:
        await spool.append([Spooled(1, 9, segment("late"))])
    async with calling(store, SPOOL_DIRECTORY=str(folder)) as client:
        assert (await client.delete("/rooms/a/transcript")).status_code == 200
    assert [path.name.split(".")[0] for path in folder.iterdir()] == ["RM_2"]
    for spool in spools:
        spool.close()


async def test_a_spool_that_cannot_be_removed_is_told(tmp_path: Path) -> None:
    """The answer is 503, and asking again finishes it."""
    (tmp_path / "RM_1.x.spool").mkdir()
    async with calling(await recorded(), SPOOL_DIRECTORY=str(tmp_path)) as client:
        assert (await client.delete("/rooms/a/transcript")).status_code == 503
        assert (await client.get("/rooms/a/transcript")).status_code == 410
        (tmp_path / "RM_1.x.spool").rmdir()
        assert (await client.delete("/rooms/a/transcript")).status_code == 200


async def test_a_session_that_runs_is_over_by_it() -> None:
    """The tombstone says that it ended then."""
    store = MemoryStore()
    await store.open_session("a", "RM_1", STARTED)
    async with calling(store) as client:
        told = (await client.delete("/rooms/a/transcript")).json()
    assert told["ended_at"] == told["erased_at"]
