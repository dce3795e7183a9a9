"""A broken connection: what was not heard is told once for each speaker, from last sample to first."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from agent.core.model import Gap, Reason, Speaker
from agent.core.outage import ABSENT_SECONDS, Outage

ANNA = Speaker("anna", label="interviewer")
BEN = Speaker("ben", label="candidate")


@dataclass
class Track:
    """A track as an outage sees it."""

    speaker: Speaker
    track_sid: str
    heard_from: float = 0.0
    heard_until: float = 0.0
    source: str = "microphone"
    is_muted: bool = False


def gap(track: Track, start: float, end: float) -> Gap:
    return Gap(track.speaker, track.track_sid, start, end, Reason.CONNECTION_LOST)


def test_from_the_last_sample_to_the_first_one_heard_again() -> None:
    """The same track as another object; the gap is told when half a second of it was heard."""
    outage = Outage()
    before = Track(ANNA, "TR_1", 1.0, 9.9)
    outage.begin(10.0)
    outage.ended(before, 10.1)
    outage.restore(12.0)
    after = Track(ANNA, "TR_1", 12.3, 12.4)
    assert outage.tick(12.5, [after]) == []
    assert outage.awaits_somebody
    after.heard_until = 12.8
    assert outage.tick(12.9, [after]) == [gap(before, 9.9, 12.3)]
    assert outage.tick(13.0, [after]) == []
    assert not outage.awaits_somebody


def test_audio_that_was_still_on_its_way_shortens_the_gap() -> None:
    """The last sample is asked for when the gap is told, not when the track ended."""
    outage = Outage()
    before = Track(ANNA, "TR_1", 1.0, 9.5)
    outage.begin(10.0)
    outage.ended(before, 10.1)
    before.heard_until = 9.9
    outage.restore(12.0)
    assert outage.tick(13.0, [Track(ANNA, "TR_1", 12.3, 12.9)]) == [gap(before, 9.9, 12.3)]


def test_tracks_that_went_just_before_the_loss_were_taken_by_it() -> None:
    """LiveKit may tell the end of the tracks a moment before the loss; who left earlier has left."""
    outage = Outage()
    gone, taken = Track(BEN, "TR_2", 1.0, 8.0), Track(ANNA, "TR_1", 1.0, 10.0)
    outage.ended(gone, 8.0)
    outage.ended(taken, 9.99)
    outage.begin(10.0)
    outage.restore(11.0)
    running = [Track(ANNA, "TR_1", 11.2, 11.9), Track(BEN, "TR_3", 30.0, 31.0)]
    assert outage.tick(32.0, running) == [gap(taken, 10.0, 11.2)]


def test_another_sid_of_the_same_source_closes_the_hole() -> None:
    """A restarted server gives new sids; the shared screen is not the microphone."""
    outage = Outage()
    outage.begin(10.0)
    microphone = Track(ANNA, "TR_1", 1.0, 10.0)
    screen = Track(ANNA, "TR_2", 1.0, 10.0, source="screen_share_audio")
    outage.ended(microphone, 10.0)
    outage.ended(screen, 10.0)
    outage.restore(13.0)
    again = Track(ANNA, "TR_9", 14.0, 15.0, source="screen_share_audio")
    assert outage.tick(15.0, [again]) == [gap(screen, 10.0, 14.0)]
    assert outage.awaits_somebody


def test_who_does_not_come_back_is_missed_until_the_restoration() -> None:
    """After that it was in the room and silent, or it was not there: that is known."""
    outage = Outage()
    outage.begin(10.0)
    gone = Track(BEN, "TR_2", 1.0, 10.0)
    outage.ended(gone, 10.0)
    outage.restore(13.0)
    assert outage.tick(13.0 + ABSENT_SECONDS - 0.1, []) == []
    assert outage.tick(13.0 + ABSENT_SECONDS, []) == [gap(gone, 10.0, 13.0)]
    assert not outage.awaits_somebody


def test_who_begins_to_publish_meanwhile_was_not_heard_since_the_loss() -> None:
    """Nobody knows since when it has spoken; the loss is the earliest."""
    outage = Outage()
    old = Track(ANNA, "TR_1", 1.0, 14.0)
    outage.begin(10.0)
    outage.published("TR_1", [old])
    outage.published("TR_5", [old])
    outage.restore(12.0)
    outage.published("TR_6", [old])
    new, later = Track(BEN, "TR_5", 12.2, 13.0), Track(BEN, "TR_6", 13.0, 14.0, source="unknown")
    assert outage.tick(14.0, [old, new, later]) == [gap(new, 10.0, 12.2)]
    assert not outage.awaits_somebody


def test_a_newcomer_that_is_never_heard_is_missed_as_well() -> None:
    """It came and went before its first half second."""
    outage = Outage()
    outage.begin(10.0)
    outage.published("TR_5", [])
    outage.restore(12.0)
    short = Track(BEN, "TR_5")
    outage.ended(short, 12.5)
    assert outage.end(60.0) == [gap(short, 10.0, 12.5)]


def test_a_muted_track_is_missed_during_the_outage_only() -> None:
    """Its frames may have stayed away long before, and may not come again before it is unmuted."""
    outage = Outage()
    before = Track(ANNA, "TR_1", 1.0, 4.0, is_muted=True)
    outage.begin(10.0)
    outage.ended(before, 10.0)
    outage.restore(12.0)
    after = Track(ANNA, "TR_1", is_muted=True)
    assert outage.tick(12.5, [after]) == [gap(before, 10.0, 12.0)]


def test_a_second_loss_before_anything_was_heard_is_one_gap() -> None:
    """The hole stays open; it is not told twice."""
    outage = Outage()
    before = Track(ANNA, "TR_1", 1.0, 10.0)
    outage.begin(10.0)
    outage.ended(before, 10.0)
    outage.restore(12.0)
    outage.ended(Track(ANNA, "TR_1"), 12.4)
    outage.begin(12.5)
    outage.restore(14.0)
    assert outage.tick(15.0, [Track(ANNA, "TR_1", 14.2, 15.0)]) == [gap(before, 10.0, 14.2)]


def test_a_connection_that_does_not_come_back() -> None:
    """The end of the session ends the gap."""
    outage = Outage()
    before = Track(ANNA, "TR_1", 1.0, 10.0)
    outage.begin(10.0)
    outage.begin(10.2)
    outage.ended(before, 10.3)
    assert outage.tick(100.0, []) == []
    assert outage.end(101.0) == [gap(before, 10.0, 101.0)]
    assert outage.end(102.0) == []


def test_a_stall_during_an_outage_is_part_of_it() -> None:
    """Tracks that live through a resumed connection miss frames because of it."""
    outage = Outage()
    stalled = Gap(ANNA, "TR_1", 9.0, 12.0, Reason.STALLED)
    assert not outage.explains(stalled)
    outage.begin(10.0)
    assert outage.explains(stalled)
    outage.restore(11.0)
    assert outage.explains(stalled)
    assert not outage.explains(Gap(ANNA, "TR_1", 12.0, 13.0, Reason.STALLED))
    assert not outage.explains(Gap(ANNA, "TR_1", 9.0, 12.0, Reason.OVERFLOW))


@given(st.lists(st.tuples(st.floats(0.1, 5), st.floats(0.1, 5)), min_size=1, max_size=6))
def test_outages_one_after_the_other_lie_between_what_was_heard(breaks: list[tuple[float, float]]) -> None:
    """However often: the gaps and the stretches that were heard make up the whole time."""
    outage = Outage()
    now, track, gaps = 0.0, Track(ANNA, "TR_1", 0.0, 0.0), []
    heard = 0.0
    for talk, silence in breaks:
        now += 1 + talk
        track.heard_until = now
        heard += track.heard_until - track.heard_from
        outage.begin(now)
        outage.ended(track, now)
        now += silence
        outage.restore(now)
        track = Track(ANNA, "TR_1", now, now + 1)
        gaps += outage.tick(now + 1, [track])
    missing = sum(one.end - one.start for one in gaps)
    assert len(gaps) == len(breaks)
    assert abs(heard + missing - now) < 1e-6
