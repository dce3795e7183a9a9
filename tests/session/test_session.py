"""The conductor in a room that a test plays, in virtual time."""

from __future__ import annotations

from pathlib import Path

from tests.session.meeting import meeting
from tests.session.virtual_time import ended, in_virtual_time


@in_virtual_time
async def test_a_whole_meeting(tmp_path: Path) -> None:
    """Words are shown by whom they were said, and the end follows the last speaker's leaving."""
    async with meeting(tmp_path) as show:
        ann, voice = await show.joined("ann")
        await show.said(voice, 1, 2, 3)
        show.room.leave(ann)
        show.room.close()
        await ended(show.running)
    assert show.texts == ["w1 w2 w3"]
    assert show.gaps == []
    [end] = show.ends
    assert (end.words, end.segments) == (3, 1)
