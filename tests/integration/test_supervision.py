"""Rooms keep their transcriber, whatever happens to workers: real workers, killed and stopped.

How long each change takes is measured, and bounded, by `make faults`; here it is asked what comes of it. That
nobody is called twice is asked in test_supervise.py.
"""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path

import pytest

from agent.core.model import Gap, Reason, Segment, State, Status
from agent.store.protocol import Stored
from local.speakers import Listener
from tests.conftest import LiveKit
from tests.integration.meeting import marked, written
from tests.integration.workers import Crew, crew, stop

pytestmark = [pytest.mark.live, pytest.mark.timeout(180)]

TALK = range(10, 30)
"""Words of a talk of some 14 s, during which things happen."""
LAST = range(90, 95)
for numbers in (range(5), range(5, 10), TALK, LAST):
    marked(tuple(numbers))  # made now: it takes time that others would be heard to stutter


def starts(items: list[Stored]) -> int:
    """How often a transcriber has begun."""
    return sum(one.item == Status(State.LISTENING) for one in items)


async def ends_well(here: Crew, heard: Listener, transcribers: int) -> list[Gap]:
    """The record after a change of transcribers, when all was said; returns its gaps without one."""
    last = list(here.said.words)[-len(LAST) :]
    await here.until(lambda: set(last) <= set(written(heard.finals)), timeout=40)
    items = await here.record()
    assert [one.seq for one in items] == list(range(1, len(items) + 1))
    assert here.missing(items) == []
    assert starts(items) == transcribers
    segments = [one.item for one in items if isinstance(one.item, Segment)]
    assert {segment.speaker.label for segment in segments} == {"interviewer"}
    gaps = [one.item for one in items if isinstance(one.item, Gap)]
    return [gap for gap in gaps if gap.reason is Reason.TRANSCRIBER_LOST]


async def test_a_room_gets_a_transcriber_and_a_second_one(livekit: LiveKit, tmp_path: Path) -> None:
    """A room older than all workers gets one when a worker starts, and a successor when its job is killed.
    Whatever nobody heard is in a gap; one too many leaves."""
    async with crew(livekit, tmp_path, "lost room") as here:
        heard = await here.listener()
        anna = await here.speaker("anna", "interviewer", heard=False)
        await here.say(anna, range(5))
        worker = await here.worker()
        await here.began(1)
        await anna.microphone.heard(timeout=40)
        await here.say(anna, range(5, 10))
        async with asyncio.TaskGroup() as group:
            group.create_task(here.say(anna, TALK))
            await here.until(lambda: len(written(heard.finals)) >= 10, timeout=40)
            (job,) = worker.jobs
            job.kill()
            await here.began(2)
        await here.dispatch()
        await worker.log_has("the room has its transcriber", timeout=40)  # the third one leaves again
        await here.say(anna, LAST)
        gaps = await ends_well(here, heard, transcribers=2)
        assert [gap.speaker.identity for gap in gaps] == ["anna", "anna"]


async def test_a_meeting_moves_from_worker_to_worker(livekit: LiveKit, tmp_path: Path) -> None:
    """Away from a worker that is stopped in mid talk, which waits for its successor; then from a host that
    dies: one gap each."""
    async with crew(livekit, tmp_path, "moving") as here:
        first = await here.worker()
        heard = await here.listener()
        anna = await here.speaker("anna", "interviewer")
        joined = anna.room_time(time.time())
        second = await here.worker()
        async with asyncio.TaskGroup() as group:
            group.create_task(here.say(anna, TALK))
            await here.until(lambda: len(written(heard.finals)) >= 5, timeout=40)
            await first.child.stop()
            assert await first.child.wait() == 0
            assert re.search("successor is here|no successor came in time", first.log)  # it has waited
            await here.began(2)
        await here.worker()
        second.kill()
        await here.began(3)
        await here.say(anna, LAST)
        gaps = [gap for gap in await ends_well(here, heard, transcribers=3) if gap.start > joined]
        assert len(gaps) == 2, gaps


async def test_a_transcriber_that_was_cut_off_leaves(livekit: LiveKit, tmp_path: Path) -> None:
    """A job that hangs is followed by another; when it wakes up it writes nothing more and leaves."""
    async with crew(livekit, tmp_path, "cut off") as here:
        worker = await here.worker()
        heard = await here.listener()
        anna = await here.speaker("anna", "interviewer")
        async with asyncio.TaskGroup() as group:
            group.create_task(here.say(anna, TALK))
            await here.until(lambda: len(written(heard.finals)) >= 5, timeout=40)
            (job,) = worker.jobs
            stop(job)
            await here.began(2)
            predecessor = next(one.sender for one in heard.messages if one.sender)
            job.resume()
            woken = len(heard.messages)
            await here.until(lambda: not job.is_running(), timeout=40)
        await here.say(anna, LAST)
        await ends_well(here, heard, transcribers=2)
        assert predecessor not in {one.sender for one in heard.messages[woken:]}
        assert "another transcriber has taken over" in worker.log
