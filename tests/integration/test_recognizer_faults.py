"""What the recognizer may do wrong, and the record all the same: every word once, at its time."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.core.model import Reason, State
from local.recognizer.faults import Faults
from local.recognizer.protocol import ErrorType
from tests.conftest import LiveKit
from tests.integration.meeting import WORD_TIME_TOLERANCE, Meeting, marked, meeting

pytestmark = pytest.mark.live

FAULTS: dict[str, Faults] = {
    "dropped in mid word": Faults(drop_after_audio_seconds=1.3),
    "dropped three times": Faults(drop_after_audio_seconds=1.3, drop_times=3),
    "dropped between commit and answer": Faults(drop_after_commit=True, drop_times=2),
    "dropped between the copies of an answer": Faults(drop_between_copies=True, drop_times=2),
    "closed politely": Faults(drop_after_audio_seconds=2.0, drop_code=1000),
    "refused for a while": Faults(refuse_status=503, refuse_seconds=4),
    "too many requests": Faults(refuse_status=429, refuse_times=2, retry_after_seconds=1),
    "commits not answered": Faults(mute_commits=2),
    "answered twice": Faults(double_answers=3),
    "slow answers": Faults(answer_delay_seconds=1.5),
    "an answer that is no JSON": Faults(malformed_answers=1, malformation="no_json"),
    "an answer that lacks fields": Faults(malformed_answers=1, malformation="missing_fields"),
    "an answer without its timed copy": Faults(malformed_answers=1, malformation="no_timestamps_copy"),
    "partials repeated after the answer": Faults(echo_partials=3),
    "socket not read for a while": Faults(stall_seconds=2.0),
    **{
        f"error message {kind}": Faults(error_type=kind, error_when="audio", error_after_audio_seconds=1.0)
        for kind in (
            ErrorType.RATE_LIMITED,
            ErrorType.TRANSCRIBER_ERROR,
            ErrorType.SESSION_TIME_LIMIT_EXCEEDED,
            ErrorType.INPUT_ERROR,
        )
    },
}
UNTIMED = {"an answer without its timed copy"}
"""Faults that take the recognizer's times away: what is written is whole, its times are estimates."""


def _settled(room: Meeting) -> bool:
    """Nothing more is to come: as many answers as the recognizer was asked for, or it is idle."""
    stats = room.stats()
    return stats["answers"] >= 3 or stats["open_sessions"] == 0


@pytest.mark.parametrize("name", FAULTS)
async def test_nothing_is_lost_or_doubled(livekit: LiveKit, tmp_path: Path, name: str) -> None:
    """Each word once, at its time and without a gap, whatever the recognizer does."""
    clip = marked(tuple(range(9)), words_per_sentence=3, pause=0.7)
    async with meeting(livekit, tmp_path, settings={"ANSWER_TIMEOUT": "2"}) as room:
        anna = await room.join("anna", role="interviewer")
        room.recognizer.set_faults(FAULTS[name])
        await room.say_clip(anna, clip)
        await room.all_written(timeout=25)
        await room.eventually(lambda: _settled(room), timeout=10)
        room.check_words(tolerance=5 if name in UNTIMED else WORD_TIME_TOLERANCE)
        assert not room.heard.gaps


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Faults(refuse_status=401), Reason.AUTH_ERROR),
        (
            Faults(error_type=ErrorType.QUOTA_EXCEEDED, error_when="start", error_times=100),
            Reason.QUOTA_EXCEEDED,
        ),
        (
            Faults(error_type=ErrorType.UNACCEPTED_TERMS, error_when="start", error_times=100),
            Reason.UNACCEPTED_TERMS,
        ),
    ],
)
async def test_refused_for_good(livekit: LiveKit, tmp_path: Path, fault: Faults, reason: Reason) -> None:
    """The room is told at once that the transcription stopped and why; at the end the speech is a gap."""
    async with meeting(livekit, tmp_path) as room:
        anna = await room.join("anna", role="interviewer")
        room.recognizer.set_faults(fault)
        await room.say(anna, range(5))
        await room.heard.wait_until(
            lambda: any(one.state is State.STOPPED for one in room.heard.statuses), timeout=5
        )
        stopped = next(one for one in room.heard.statuses if one.state is State.STOPPED)
        assert stopped.reason is reason
        assert stopped.speaker is not None
        assert stopped.speaker.label == "interviewer"
        await anna.leave()
        await room.delete_room()
        await room.ended(timeout=30)
        info = await room.store.find_session(room.room)
        assert info is not None
        gaps = [gap for _, gap in await room.store.gaps(info.session)]
        assert sum(gap.end - gap.start for gap in gaps) >= 2
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
