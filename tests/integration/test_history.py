"""History and live messages joined by the rule of docs/history.md, in a real room: nothing is lost."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from livekit import rtc

from agent.core.fields import fields_of, type_of
from agent.core.model import End
from agent.rtc.connect import connect
from examples.history import Record
from local.speakers import participant_token
from tests.conftest import LiveKit
from tests.integration.meeting import Meeting, marked, meeting
from tests.test_architecture import ROOT

PAGE = (ROOT / "docs/history.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(("language", "file"), [("python", "history.py"), ("typescript", "history.ts")])
def test_the_page_shows_the_examples(language: str, file: str) -> None:
    """Line by line: what is read is what runs."""
    code = (ROOT / "examples" / file).read_text(encoding="utf-8")
    assert f"```{language}\n{code}```" in PAGE


@asynccontextmanager
async def following(room: Meeting, record: Record, identity: str) -> AsyncIterator[None]:
    """Somebody who is in the room and follows it."""
    async with contextlib.AsyncExitStack() as stack:
        connection = rtc.Room()
        stack.push_async_callback(connection.disconnect)
        livekit = room.livekit
        token = participant_token(livekit.api_key, livekit.api_secret, room=room.room, identity=identity)
        await connect(connection, livekit.url, token)
        async with asyncio.TaskGroup() as group:
            task = group.create_task(record.follow(connection), name=identity)
            yield
            task.cancel()


@pytest.mark.live
@pytest.mark.timeout(150)
async def test_late_or_away_everybody_ends_with_the_record(livekit: LiveKit, tmp_path: Path) -> None:
    """One reader from the start, one who comes late, one who is away in the middle."""
    clips = [marked(tuple(range(first, first + 5))) for first in (0, 100, 200)]
    steady, late, away = Record(), Record(), Record()
    async with meeting(livekit, tmp_path) as room, following(room, steady, "steady"):
        anna = await room.join("anna", role="interviewer")
        async with following(room, away, "away"):
            await room.say_clip(anna, clips[0])
            await room.all_written()
        await room.say_clip(anna, clips[1])
        await room.all_written()
        async with following(room, late, "late"), following(room, away, "away"):
            await room.say_clip(anna, clips[2])
            await room.all_written()
            await anna.leave()
            await room.heard.wait_for(lambda message: isinstance(message.item, End), timeout=15)
            session = steady.session
            stored = await room.store.items(session)
            last = stored[-1].seq
            readers = (steady, late, away)
            await room.eventually(lambda: all(last in one.items and one.after == last for one in readers))
    assert len(stored) > 6
    for reader in readers:
        assert sorted(reader.items) == [one.seq for one in stored]
        for one in stored:
            item = reader.items[one.seq]
            assert {"type": type_of(one.item), **fields_of(one.item)}.items() <= item.items()
