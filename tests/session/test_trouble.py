"""What is reported when people speak and nothing is written, in virtual time."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from agent.core.model import Reason, State
from agent.metrics import HELD_UP, LOST_SESSIONS
from tests.session.fakes import SID
from tests.session.meeting import meeting
from tests.session.virtual_time import ended, in_virtual_time, until

NEVER = 1e9
TWENTY_SECONDS = range(1, 67)
"""Words of 0.3 s, without a pause."""


@in_virtual_time
async def test_a_recognizer_that_never_answers(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A status within 15 s, lost sessions counted and logged, and speech that waits is known at once."""
    lost = LOST_SESSIONS.labels(Reason.RECOGNIZER_ERROR)
    waiting = HELD_UP.labels(Reason.RECOGNIZER_ERROR)
    before = lost._value.get()
    async with meeting(tmp_path) as show:
        show.recognizer.answer_seconds = NEVER
        ann, voice = await show.joined("ann")
        assert voice.track is not None
        began = asyncio.get_running_loop().time()
        voice.track.say(*TWENTY_SECONDS)
        await until(lambda: any(one.state is State.DEGRADED for one in show.statuses))
        assert asyncio.get_running_loop().time() - began < 15
        await until(lambda: any(one.reason is Reason.RECOGNIZER_ERROR for one in show.statuses))
        assert asyncio.get_running_loop().time() - began < 20 + 15
        assert lost._value.get() > before
        await until(lambda: waiting._value.get() > 15)
        info = await show.store.find_session(show.room.name, SID)
        assert info is not None
        assert info.state is not None
        assert (info.state.state, info.state.reason) == (State.DEGRADED, Reason.RECOGNIZER_ERROR)
        show.room.leave(ann)
        show.room.close()
        await ended(show.running)
        info = await show.store.find_session(show.room.name, SID)
    assert waiting._value.get() == pytest.approx(0, abs=1e-6)
    assert info is not None
    assert info.ended_at is not None
    assert info.state is not None
    assert info.state.reason is Reason.RECOGNIZER_ERROR
    [sums] = info.accounting
    assert sums.reconnects == lost._value.get() - before
    assert sums.speech - sums.answered == pytest.approx(sums.gap)
    assert sums.gap > 19
    told = [
        record.__dict__ for record in caplog.records if record.__dict__.get("action") == "recognizer_lost"
    ]
    assert {one["reason"] for one in told} == {"recognizer_error"}
    assert len(told) == sums.reconnects


@in_virtual_time
async def test_an_encrypted_track_is_not_received_and_stays_in_the_state(tmp_path: Path) -> None:
    """A status and a gap of its own; once a track of the same person is heard, all is well again."""
    async with meeting(tmp_path) as show:
        ann = show.room.join("ann")
        secret = show.room.publish(ann, encryption_type=1)
        await until(lambda: any(one.reason is Reason.ENCRYPTED for one in show.statuses))
        assert secret.track is None
        await asyncio.sleep(5.0)
        show.room.unpublish(ann, secret)
        await until(lambda: bool(show.gaps))
        [gap] = show.gaps
        assert (gap.speaker.identity, gap.reason) == ("ann", Reason.ENCRYPTED)
        assert gap.end - gap.start >= 5.0
        info = await show.store.find_session(show.room.name, SID)
        assert info is not None
        assert info.state is not None
        assert info.state.reason is Reason.ENCRYPTED
        plain = show.room.publish(ann)
        await until(lambda: plain.track is not None and plain.track.readers == 1)
        await show.said(plain, 1)
        await until(lambda: show.statuses[-1].state is State.LISTENING)
    assert show.recognizer.opened == 1
