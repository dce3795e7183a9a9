"""Times of a session whose host has a wrong wall clock, in virtual time."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from agent.core.model import Segment
from tests.session.fakes import SID, FakeRoom
from tests.session.meeting import meeting
from tests.session.virtual_time import ended, in_virtual_time


@pytest.mark.parametrize("behind", [2.0, -2.0, 86_400.0])
@in_virtual_time
async def test_a_host_whose_clock_is_wrong(tmp_path: Path, behind: float) -> None:
    """The first word is where it was said, by the server's clock, in messages and in the record."""
    room = FakeRoom()
    room.creation_time += timedelta(seconds=behind)
    async with meeting(tmp_path, room=room) as show:
        _, voice = await show.joined("ann")
        said_at = (room.date() - room.creation_time).total_seconds()
        await show.said(voice, 1)
        [final] = [one for one in show.shown.items if isinstance(one, Segment) and one.final]
        assert final.start == pytest.approx(said_at, abs=0.15)
        await asyncio.sleep(1)
        room.close()
        await ended(show.running)
    [(_, stored)] = await show.store.segments(SID)
    assert (stored.start, stored.end, stored.words) == (final.start, final.end, final.words)
    [end] = show.ends
    over = datetime.fromisoformat(end.ended_at) - room.creation_time
    assert timedelta(0) < over <= room.date() - room.creation_time
