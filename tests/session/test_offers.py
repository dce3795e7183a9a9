"""What is said between a track's publication and its first frame, in virtual time."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from agent.core.model import Reason
from tests.session.meeting import meeting
from tests.session.virtual_time import in_virtual_time, until


@pytest.mark.parametrize(("delay", "named"), [(0.02, False), (0.2, False), (0.6, True), (4.0, True)])
@in_virtual_time
async def test_a_track_that_is_received_late(tmp_path: Path, delay: float, named: bool) -> None:
    """A word said right after the publication is heard, or the span before the first frame is a gap."""
    async with meeting(tmp_path) as show:
        show.room.subscribe_seconds = delay
        ann = show.room.join("ann")
        began = show.session_time()
        voice = show.room.publish(ann)
        await until(lambda: voice.track is not None and voice.track.readers == 1)
        heard_from = show.session_time()
        await show.said(voice, 1)
        if not named:
            await asyncio.sleep(10)
            assert show.gaps == []
            return
        await until(lambda: bool(show.gaps))
        [gap] = show.gaps
        assert (gap.speaker.identity, gap.track_sid, gap.reason) == ("ann", voice.sid, Reason.STALLED)
        assert gap.start == pytest.approx(began, abs=0.02)
        assert gap.end == pytest.approx(heard_from, abs=0.1)


@in_virtual_time
async def test_a_track_that_is_never_received(tmp_path: Path) -> None:
    """It is withdrawn before LiveKit gives it, or its participant leaves: nobody has heard any of it."""
    async with meeting(tmp_path) as show:
        show.room.subscribe_seconds = 60.0
        ann, ben = show.room.join("ann"), show.room.join("ben")
        short = show.room.publish(ann)
        show.room.publish(ben)
        await asyncio.sleep(1)
        show.room.unpublish(ann, short)
        await asyncio.sleep(1)
        show.room.leave(ben)
        await until(lambda: len(show.gaps) == 2)
        found = [(gap.speaker.identity, round(gap.end - gap.start, 1), gap.reason) for gap in show.gaps]
        assert found == [("ann", 1.0, Reason.STALLED), ("ben", 2.0, Reason.STALLED)]


@in_virtual_time
async def test_a_track_that_is_published_muted(tmp_path: Path) -> None:
    """Nobody speaks into it yet."""
    async with meeting(tmp_path) as show:
        show.room.subscribe_seconds = 2.0
        voice = show.room.publish(show.room.join("ann"), muted=True)
        await until(lambda: voice.track is not None and voice.track.readers == 1)
        await asyncio.sleep(1)
        assert show.gaps == []
