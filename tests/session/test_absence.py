"""A participant's connection is lost; LiveKit removes the participant, who may come back."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from livekit import rtc

from agent.core.model import Reason, State
from tests.session.meeting import meeting
from tests.session.virtual_time import in_virtual_time, until

TIMEOUT = rtc.DisconnectReason.CONNECTION_TIMEOUT


@in_virtual_time
async def test_who_comes_back_was_missed_since_the_removal(tmp_path: Path) -> None:
    """The status says that the connection was lost, until the participant is heard again."""
    async with meeting(tmp_path) as show:
        ann, voice = await show.joined("ann")
        await show.said(voice, 1, 2, 3)
        left_at = show.room.date()
        show.room.leave(ann, TIMEOUT)
        await until(lambda: show.statuses[-1].reason is Reason.CONNECTION_LOST)
        assert show.statuses[-1].speaker is not None
        assert show.statuses[-1].detail == "this participant's connection was lost"
        await asyncio.sleep(12)
        _, voice = await show.joined("ann")
        await until(lambda: bool(show.gaps))
        [gap] = show.gaps
        back_at = show.room.date()
        assert gap.reason is Reason.CONNECTION_LOST
        assert gap.end - gap.start == pytest.approx((back_at - left_at).total_seconds(), abs=0.8)
        await show.said(voice, 4, 5, 6)
        assert show.statuses[-1].state is State.LISTENING


@in_virtual_time
async def test_who_does_not_come_back_leaves_no_gap_behind(tmp_path: Path) -> None:
    """The loss ends with the removal, and the meeting with it."""
    async with meeting(tmp_path) as show:
        ann, voice = await show.joined("ann")
        await show.said(voice, 1, 2, 3)
        show.room.leave(ann, TIMEOUT)
        await until(lambda: bool(show.ends))
        assert show.gaps == []
        assert [one.reason for one in show.statuses if one.speaker] == [Reason.CONNECTION_LOST]


@pytest.mark.parametrize(
    "reason", [rtc.DisconnectReason.CLIENT_INITIATED, rtc.DisconnectReason.PARTICIPANT_REMOVED]
)
def test_who_leaves_is_not_missed(tmp_path: Path, reason: int) -> None:
    """By a request of the client, or of the server's API."""

    @in_virtual_time
    async def play() -> None:
        async with meeting(tmp_path) as show:
            ann, voice = await show.joined("ann")
            await show.said(voice, 1, 2, 3)
            show.room.leave(ann, reason)
            await asyncio.sleep(5)
            _, voice = await show.joined("ann")
            await show.said(voice, 4, 5, 6)
            assert show.gaps == []
            assert [one for one in show.statuses if one.speaker] == []

    play()


@in_virtual_time
async def test_what_was_not_received_is_accounted_for(tmp_path: Path) -> None:
    """The gaps of a speaker are as long as the figures of the end say."""
    async with meeting(tmp_path) as show:
        ann, voice = await show.joined("ann")
        await show.said(voice, 1, 2, 3)
        show.room.leave(ann, TIMEOUT)
        await asyncio.sleep(1)
        ann, voice = await show.joined("ann")
        await show.said(voice, 4, 5, 6)
        await until(lambda: bool(show.gaps))
        show.room.leave(ann)
        await until(lambda: bool(show.ends))
        [gap] = show.gaps
        [sums] = show.ends[-1].accounting
        assert sums.gap == 0.0
        assert sums.not_received == pytest.approx(gap.end - gap.start, abs=0.002)
