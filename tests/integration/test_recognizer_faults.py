"""What the recognizer may do wrong, and the record all the same: every word once, at its time."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.core.model import Reason, State
from local.recognizer.faults import Faults
from local.recognizer.protocol import ErrorType
from tests.conftest import LiveKit
from tests.integration.meeting import Meeting, marked, meeting

pytestmark = pytest.mark.live

FAULTS: dict[str, Faults] = {
    "dropped in mid word": Faults(drop_after_audio_seconds=1.3),
    "dropped between commit and answer": Faults(drop_after_commit=True, drop_times=2),
    "answered twice": Faults(double_answers=3),
}
"""The telling ones; tests/contract/test_track_faults.py has all, without a media server."""


def _settled(room: Meeting) -> bool:
    """Nothing more is to come: as many answers as the recognizer was asked for, or it is idle."""
    stats = room.stats()
    return stats["answers"] >= 3 or stats["open_sessions"] == 0


@pytest.mark.parametrize("name", FAULTS)
async def test_nothing_is_lost_or_doubled(livekit: LiveKit, tmp_path: Path, name: str) -> None:
    """Each word once, at its time and without a gap, whatever the recognizer does."""
    clip = marked(tuple(range(9)), words_per_sentence=3, pause=0.7)
    async with meeting(livekit, tmp_path) as room:
        anna = await room.join("anna", role="interviewer")
        room.recognizer.set_faults(FAULTS[name])
        await room.say_clip(anna, clip)
        await room.all_written(timeout=25)
        await room.eventually(lambda: _settled(room), timeout=10)
        room.check_words()
        assert not room.heard.gaps


async def test_refused_for_good(livekit: LiveKit, tmp_path: Path) -> None:
    """The room is told at once that the transcription stopped and why; at the end the speech is a gap."""
    fault = Faults(error_type=ErrorType.QUOTA_EXCEEDED, error_when="start", error_times=100)
    async with meeting(livekit, tmp_path) as room:
        anna = await room.join("anna", role="interviewer")
        room.recognizer.set_faults(fault)
        await room.say(anna, range(5))
        await room.heard.wait_until(
            lambda: any(one.state is State.STOPPED for one in room.heard.statuses), timeout=5
        )
        stopped = next(one for one in room.heard.statuses if one.state is State.STOPPED)
        assert stopped.reason is Reason.QUOTA_EXCEEDED
        assert stopped.speaker is not None
        assert stopped.speaker.label == "interviewer"
        await anna.leave()
        await room.delete_room()
        await room.ended(timeout=30)
        info = await room.store.find_session(room.room)
        assert info is not None
        gaps = [gap for _, gap in await room.store.gaps(info.session)]
        assert sum(gap.end - gap.start for gap in gaps) >= 2
        assert {gap.reason for gap in gaps} == {Reason.QUOTA_EXCEEDED}
        end = await room.store.end_of(info.session)
        assert end is not None
        assert all(sums.balanced and sums.gap > 2 for sums in end.accounting)


async def test_refused_for_a_while_is_told(livekit: LiveKit, tmp_path: Path) -> None:
    """A degraded status within 3 s, and a listening one when the text is back."""
    async with meeting(livekit, tmp_path) as room:
        anna = await room.join("anna", role="interviewer")
        room.recognizer.set_faults(Faults(refuse_status=503, refuse_seconds=5))
        await room.say(anna, range(5))
        await room.heard.wait_until(
            lambda: any(one.state is State.DEGRADED for one in room.heard.statuses), timeout=4
        )
        degraded = next(one for one in room.heard.statuses if one.state is State.DEGRADED)
        assert degraded.reason is Reason.RECOGNIZER_UNREACHABLE
        await room.all_written(timeout=15)
        await room.heard.wait_until(lambda: room.heard.statuses[-1].state is State.LISTENING, timeout=5)
        room.check_words()
