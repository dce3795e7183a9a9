"""Six hundred different words by two people who speak at the same time."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.conftest import LiveKit
from tests.integration.meeting import marked, meeting

pytestmark = [pytest.mark.live, pytest.mark.timeout(300)]


async def test_six_hundred_words(livekit: LiveKit, tmp_path: Path) -> None:
    """Each word exactly once, under its speaker, within 0.15 s of its time; nothing in a gap."""
    first = marked(tuple(range(300)), words_per_sentence=14, pause=0.7)
    second = marked(tuple(range(300, 600)), words_per_sentence=11, pause=0.9)
    async with meeting(livekit, tmp_path) as room:
        anna = await room.join("anna", role="interviewer")
        bob = await room.join("bob", role="candidate")
        await asyncio.gather(room.say_clip(anna, first), room.say_clip(bob, second))
        await room.all_written()
        room.check_words()
        assert len(room.said.words) == 600
        assert not room.heard.gaps
