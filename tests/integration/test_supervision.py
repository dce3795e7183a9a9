"""Rooms keep their transcriber, whatever happens to workers: real workers, killed and stopped."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from agent.core.model import Gap, Reason, Segment, State, Status
from agent.store.protocol import Stored
from local.speakers import Listener
from tests.conftest import LiveKit
from tests.integration.meeting import marked, written
from tests.integration.workers import Crew, crew, stop

pytestmark = [pytest.mark.live, pytest.mark.timeout(110)]

TALK = range(10, 30)
"""Words of a talk of some 14 s, during which things happen."""
LAST = range(90, 95)
for numbers in (range(5), range(5, 10), TALK, LAST):
    marked(tuple(numbers))  # made now: it takes time that others would be heard to stutter


def starts(items: list[Stored]) -> int:
    """How often a transcriber has begun."""
    return sum(one.item == Status(State.LISTENING) for one in items)


async def ends_well(here: Crew, heard: Listener, transcribers: int) -> list[Gap]:
    """The record after a change of transcribers, when all was said; returns its gaps."""
    last = list(here.said.words)[-len(LAST) :]
    await here.until(lambda: set(last) <= set(written(heard.finals)), timeout=20)
    items = await here.record()
    assert [one.seq for one in items] == list(range(1, len(items) + 1))
    assert here.missing(items) == []
    assert starts(items) == transcribers
    segments = [one.item for one in items if isinstance(one.item, Segment)]
    assert {segment.speaker.label for segment in segments} == {"interviewer"}
    gaps = [one.item for one in items if isinstance(one.item, Gap)]
    assert {gap.reason for gap in gaps} <= {Reason.TRANSCRIBER_LOST}
    return gaps


async def test_a_room_gets_a_transcriber_and_a_second_one(livekit: LiveKit, tmp_path: Path) -> None:
    """A room older than all workers gets one within 5 s of a worker's start, and, when its job is killed, a
    successor within 8 s. Whatever nobody heard is in a gap; nothing is called for twice."""
    async with crew(livekit, tmp_path, "lost room") as here:
        heard = await here.listener()
        anna = await here.speaker("anna", "interviewer", heard=False)
        await here.say(anna, range(5))
        worker = await here.worker()
        assert await here.until(lambda: bool(heard.statuses), timeout=20) <= 5
        await anna.microphone.heard(timeout=5)
        await here.say(anna, range(5, 10))
        async with asyncio.TaskGroup() as group:
            group.create_task(here.say(anna, TALK))
            await here.until(lambda: len(written(heard.finals)) >= 10, timeout=20)
            (job,) = worker.jobs
            job.kill()
            assert await here.until(lambda: len(heard.statuses) > 1, timeout=20) <= 8
        await here.say(anna, LAST)
        gaps = await ends_well(here, heard, transcribers=2)
        assert [gap.speaker.identity for gap in gaps] == ["anna", "anna"]
        assert await here.dispatches() == 3  # LiveKit's own, which nobody heard, and two calls


async def test_a_killed_host_is_replaced_by_another(livekit: LiveKit, tmp_path: Path) -> None:
    """All processes of a worker die, the leading supervisor among them: another worker's transcriber is there
    within 8 s, called once though two supervise."""
    async with crew(livekit, tmp_path, "killed host") as here:
        first = await here.worker()
        heard = await here.listener()
        anna = await here.speaker("anna", "interviewer")
        joined = anna.room_time(time.time())
        await here.worker()
        async with asyncio.TaskGroup() as group:
            group.create_task(here.say(anna, TALK))
            await here.until(lambda: len(written(heard.finals)) >= 5, timeout=20)
            first.kill()
            assert await here.until(lambda: len(heard.statuses) > 1, timeout=20) <= 8
        await here.say(anna, LAST)
        gaps = await ends_well(here, heard, transcribers=2)
        assert len([gap for gap in gaps if gap.start > joined]) == 1
        assert await here.dispatches() == 2


async def test_a_rolling_restart_loses_no_stored_word(livekit: LiveKit, tmp_path: Path) -> None:
    """Each worker is stopped in turn during the talk: the meeting moves twice, with gaps of at most 3 s."""
    async with crew(livekit, tmp_path, "rolling") as here:
        first = await here.worker()
        heard = await here.listener()
        anna = await here.speaker("anna", "interviewer")
        second = await here.worker()
        async with asyncio.TaskGroup() as group:
            group.create_task(here.say(anna, TALK))
            await here.until(lambda: len(written(heard.finals)) >= 5, timeout=20)
            await first.child.stop()
            third = group.create_task(here.worker())
            await here.until(lambda: heard.statuses[-1].state is State.LISTENING, timeout=20)
            await third
            await second.child.stop()
        await here.say(anna, LAST)
        gaps = await ends_well(here, heard, transcribers=3)
        assert all(gap.end - gap.start <= 3 for gap in gaps), gaps
        assert [await one.child.wait() for one in (first, second)] == [0, 0]


async def test_a_transcriber_that_was_cut_off_leaves(livekit: LiveKit, tmp_path: Path) -> None:
    """A job that hangs is followed by another; when it wakes up it writes nothing more and leaves."""
    async with crew(livekit, tmp_path, "cut off") as here:
        worker = await here.worker()
        heard = await here.listener()
        anna = await here.speaker("anna", "interviewer")
        async with asyncio.TaskGroup() as group:
            group.create_task(here.say(anna, TALK))
            await here.until(lambda: len(written(heard.finals)) >= 5, timeout=20)
            (job,) = worker.jobs
            stop(job)
            await here.until(lambda: len(heard.statuses) > 1, timeout=20)
            predecessor = heard.messages[0].sender
            job.resume()
            woken = len(heard.messages)
            await here.until(lambda: not job.is_running(), timeout=20)
        await here.say(anna, LAST)
        await ends_well(here, heard, transcribers=2)
        assert predecessor not in {one.sender for one in heard.messages[woken:]}
        assert "another transcriber has taken over" in worker.log
