"""Tracks that fail, and what happens meanwhile; in virtual time."""

from __future__ import annotations

import asyncio
from itertools import count, pairwise
from pathlib import Path

import pytest

from agent.core.commands import CloseSession, OpenSession
from agent.core.model import Gap, Reason, State
from agent.core.reception import Arrivals
from agent.tracks import RESTART_SECONDS
from tests.session.fakes import FakeParticipant, FakePublication
from tests.session.meeting import Meeting, meeting
from tests.session.virtual_time import ended, in_virtual_time, until


async def _fail(show: Meeting, publication: FakePublication) -> None:
    """The track's task fails."""
    assert publication.track is not None
    publication.track.fault = RuntimeError("the test broke it")
    await until(lambda: publication.track is None or publication.track.readers == 0)
    await until(lambda: any(gap.reason is Reason.INTERNAL_ERROR for gap in show.gaps))


def _broken(show: Meeting) -> list[Gap]:
    return [gap for gap in show.gaps if gap.reason is Reason.INTERNAL_ERROR]


@in_virtual_time
async def test_a_failed_track_begins_anew(tmp_path: Path) -> None:
    """It is heard again after a second; the gap is as long as it was not heard."""
    async with meeting(tmp_path) as show:
        _, voice = await show.joined("ann")
        await show.said(voice, 1)
        before = show.session._clock.now()
        await _fail(show, voice)
        await until(lambda: voice.track is not None and voice.track.readers == 1)
        after = show.session._clock.now()
        await show.said(voice, 2)
    assert show.texts == ["w1", "w2"]
    first, *_, last = _broken(show)
    assert first.start <= before
    assert after - 0.2 <= last.end <= after
    assert sum(gap.end - gap.start for gap in _broken(show)) == pytest.approx(last.end - first.start)


@in_virtual_time
async def test_a_track_that_fails_again_and_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is tried more and more rarely, and at once again after a good while."""
    async with meeting(tmp_path) as show:
        _, voice = await show.joined("ann")
        track = voice.track
        assert track is not None
        track.faults = 8
        await asyncio.sleep(200.0)
        failed = [line.created for line in caplog.records if getattr(line, "action", "") == "track_failed"]
        pauses = [later - earlier for earlier, later in pairwise(failed)]
        assert pauses == pytest.approx([1, 2, 4, 8, 16, 30, 30], abs=0.2)
        await show.said(voice, 1)
        track.faults = 1
        await asyncio.sleep(2.0)
        await show.said(voice, 2)


async def _unpublish(show: Meeting, ann: FakeParticipant, voice: FakePublication) -> None:
    show.room.unpublish(ann, voice)


async def _decline(show: Meeting, ann: FakeParticipant, _voice: FakePublication) -> None:
    show.room.change_attributes(ann, transcribe="false")


async def _leave(show: Meeting, ann: FakeParticipant, _voice: FakePublication) -> None:
    show.room.leave(ann)


async def _stop(show: Meeting, _ann: FakeParticipant, _voice: FakePublication) -> None:
    show.session.stop("stopped meanwhile")


@pytest.mark.parametrize("meanwhile", [_unpublish, _decline, _leave, _stop])
def test_a_failed_track_that_is_not_to_be_heard_any_more(
    tmp_path: Path, meanwhile: object, caplog: pytest.LogCaptureFixture
) -> None:
    """Unpublished, declined, gone or over within that second: it does not begin anew, the gap ends there."""

    @in_virtual_time
    async def play() -> None:
        async with meeting(tmp_path) as show:
            ann, voice = await show.joined("ann")
            await show.said(voice, 1)
            track = voice.track
            assert track is not None
            await _fail(show, voice)
            await asyncio.sleep(RESTART_SECONDS / 2)
            await meanwhile(show, ann, voice)  # type: ignore[operator]
            now = show.session._clock.now()
            await asyncio.sleep(2 * RESTART_SECONDS)
            assert track.readers == 0
            assert show.session._tracks.machines() == []
            assert _broken(show)[-1].end <= now + 0.1
            assert sum(one.balanced for one in show.session._accounting()) == 1

    caplog.set_level("INFO")
    play()
    assert [getattr(line, "action", "") for line in caplog.records].count("track_started") == 1


@in_virtual_time
async def test_a_failed_track_that_is_replaced(tmp_path: Path) -> None:
    """A full reconnect brings a new object for the same sid: that one is heard, once."""
    async with meeting(tmp_path) as show:
        ann, voice = await show.joined("ann")
        old = voice.track
        assert old is not None
        await _fail(show, voice)
        voice.subscribed = False
        voice.set_subscribed(True)
        await until(lambda: voice.track is not old)
        await asyncio.sleep(2 * RESTART_SECONDS)
        assert voice.track is not None
        assert (old.readers, voice.track.readers) == (0, 1)
        await show.said(voice, 2)
        assert len(show.session._tracks.machines()) == 1
        show.room.leave(ann)
    assert show.texts == ["w2"]


@in_virtual_time
async def test_a_failed_track_that_is_muted_meanwhile(tmp_path: Path) -> None:
    """It begins anew as muted as it is by then."""
    async with meeting(tmp_path) as show:
        ann, voice = await show.joined("ann")
        await _fail(show, voice)
        show.room.emit("track_muted", ann, voice)
        await until(lambda: voice.track is not None and voice.track.readers == 1)
        assert [mark.muted for mark in show.session._marks().tracks] == [True]


@in_virtual_time
async def test_a_room_that_closes_while_a_track_is_to_begin_anew(tmp_path: Path) -> None:
    """Nothing waits for the track."""
    async with meeting(tmp_path) as show:
        _, voice = await show.joined("ann")
        await show.said(voice, 1)
        await _fail(show, voice)
        show.room.close()
        await ended(show.running, RESTART_SECONDS / 2)
    assert len(show.ends) == 1
    assert all(one.balanced for one in show.ends[0].accounting)


@in_virtual_time
async def test_a_track_that_ends_while_its_counters_are_asked(tmp_path: Path) -> None:
    """Counters that arrive after a track's end say nothing: no stall, no status."""
    async with meeting(tmp_path) as show:
        ann, voice = await show.joined("ann")
        asked, answer = asyncio.Event(), asyncio.Event()
        looks = count()

        async def arrivals() -> Arrivals:
            look = next(looks)
            if look < 3:
                return Arrivals(50 * look, 0.0, 0.0, emitted_seconds=look / 2)
            asked.set()
            await answer.wait()
            return Arrivals(150, 9.0, 9.0, emitted_seconds=1.5, concealments=1, lost=450)

        assert voice.track is not None
        await show.said(voice, 1)
        voice.track.arrivals = arrivals
        await asked.wait()
        show.room.unpublish(ann, voice)
        await asyncio.sleep(5.0)
        gaps, statuses = list(show.gaps), list(show.statuses)
        answer.set()
        await asyncio.sleep(5.0)
        assert (show.gaps, show.statuses) == (gaps, statuses)
        assert State.DEGRADED not in [one.state for one in show.statuses]


@in_virtual_time
async def test_a_recognizer_session_that_is_closed_at_once(tmp_path: Path) -> None:
    """Opened and given up in the same moment, it is closed all the same: an open one costs money."""
    async with meeting(tmp_path) as show:
        _, voice = await show.joined("ann")
        [track] = show.session._tracks._running.values()
        track.task._carry_out([OpenSession(91), CloseSession(91)])
        await asyncio.sleep(1.0)
        assert (show.recognizer.opened, show.recognizer.closed_sessions) == (1, 1)
        await show.said(voice, 1)
    assert show.recognizer.opened == show.recognizer.closed_sessions


@in_virtual_time
async def test_an_outage_is_one_gap_although_a_track_is_offered_in_vain(tmp_path: Path) -> None:
    """After a full reconnect LiveKit may announce a track, take it back, and announce it again."""
    async with meeting(tmp_path) as show:
        ann, voice = await show.joined("ann")
        await show.said(voice, 1, 2, 3)
        show.room.emit("reconnecting")
        show.room.unpublish(ann, voice)
        await asyncio.sleep(5)
        show.room.emit("reconnected")
        show.room.subscribe_seconds = 10.0
        in_vain = show.room.publish(ann)
        await asyncio.sleep(1)
        show.room.unpublish(ann, in_vain)
        show.room.subscribe_seconds = 0.02
        voice = show.room.publish(ann)
        await until(lambda: voice.track is not None and voice.track.readers == 1)
        await show.said(voice, 4, 5, 6)
        [gap] = show.gaps
        assert gap.reason is Reason.CONNECTION_LOST
        assert gap.end - gap.start == pytest.approx(6.0, abs=0.5)
