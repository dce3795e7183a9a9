"""A running meeting is erased, with a real worker in a real room: it is told, left, and left alone."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from agent.core.model import Reason, State, Status
from agent.settings import Settings
from agent.store.retention import erase
from tests.conftest import LiveKit
from tests.integration.meeting import marked
from tests.integration.workers import crew

pytestmark = [pytest.mark.live, pytest.mark.timeout(180)]

FIRST, LATER, AFTER = range(5), range(10, 20), range(30, 35)
for numbers in (FIRST, LATER, AFTER):
    marked(tuple(numbers))

ALONE_SECONDS = 8.0
"""In which a supervisor would have called several transcribers, by its rules."""


async def test_an_erased_meeting_is_left_alone(livekit: LiveKit, tmp_path: Path) -> None:
    """The room is told within seconds, the transcriber leaves, no other one is called, nothing is kept."""
    async with crew(livekit, tmp_path, "erased room") as here:
        worker = await here.worker()
        heard = await here.listener()
        anna = await here.speaker("anna", "interviewer")
        await here.say(anna, FIRST)
        async with asyncio.timeout(30):
            while len(await here.record()) < 2:  # noqa: ASYNC110 - processes announce nothing
                await asyncio.sleep(0.1)
        talk = asyncio.TaskGroup()
        async with talk:
            talk.create_task(here.say(anna, LATER))
            tombstone = await erase(here.store, Settings.from_env(here.env), here.room)
            assert tombstone is not None
            told = await heard.wait_for(
                lambda one: isinstance(one.item, Status) and one.item.reason is Reason.ERASED, timeout=5
            )
        assert isinstance(told.item, Status)
        assert told.item.state is State.STOPPED
        await worker.log_has("the transcript was erased")
        await here.until(lambda: not worker.jobs, timeout=20)
        calls = worker.log.count("transcriber called")
        finals = len(heard.finals)
        await here.say(anna, AFTER)
        await asyncio.sleep(ALONE_SECONDS)
        assert worker.log.count("transcriber called") == calls
        assert not worker.jobs
        assert len(heard.finals) == finals
        assert await here.record() == []
        assert not [*(tmp_path / "spool").glob("*")]
