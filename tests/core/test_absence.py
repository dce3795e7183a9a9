"""Losing the connection is not leaving: who comes back was missed until then."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.absence import REASON_SECONDS, Absences
from agent.core.model import Gap, Reason
from tests.core.test_outage import ANNA, BEN, Track


def gap(track: Track, start: float, end: float) -> Gap:
    return Gap(track.speaker, track.track_sid, start, end, Reason.CONNECTION_LOST)


def lost(track: Track, at: float) -> Absences:
    """A participant with one track is removed because its connection was lost."""
    absences = Absences()
    absences.ended(track, at)
    absences.lost(track.speaker.identity, at + 0.01)
    return absences


def test_from_the_removal_until_heard_again() -> None:
    """Under another sid; the gap is told when half a second was heard, once."""
    before, after = Track(BEN, "TR_1", 1.0, 20.0), Track(BEN, "TR_2", 34.0, 34.1)
    absences = lost(before, 22.0)
    assert absences.speakers == {"ben": BEN}
    assert absences.tick(34.2, [after]) == []
    after.heard_until = 34.6
    assert absences.tick(34.7, [after]) == [gap(before, 22.0, 34.0)]
    assert absences.tick(34.8, [after]) == []
    assert absences.speakers == {}


def test_who_does_not_come_back_is_missed_until_the_removal_only() -> None:
    """However long one waits."""
    absences = lost(Track(BEN, "TR_1", 1.0, 20.0), 22.0)
    assert absences.tick(9000.0, [Track(ANNA, "TR_3", 1.0, 8999.0)]) == []
    assert list(absences.speakers) == ["ben"]


def test_who_leaves_is_not_missed() -> None:
    """The track ends the same way; the participant asked for it."""
    absences = Absences()
    absences.ended(Track(BEN, "TR_1", 1.0, 20.0), 22.0)
    absences.left("ben")
    assert absences.tick(35.0, [Track(BEN, "TR_2", 34.0, 34.9)]) == []


def test_who_comes_back_and_leaves_before_being_heard_is_not_awaited() -> None:
    """Then the loss ends with the removal."""
    absences = lost(Track(BEN, "TR_1", 1.0, 20.0), 22.0)
    absences.left("ben")
    assert absences.speakers == {}


@pytest.mark.parametrize("muted", [True, False])
def test_a_muted_participant_is_not_missed(muted: bool) -> None:
    """Nobody could have been heard."""
    absences = lost(Track(BEN, "TR_1", 1.0, 20.0, is_muted=muted), 22.0)
    assert bool(absences.speakers) is not muted


def test_a_participant_who_comes_back_muted_is_missed_until_then() -> None:
    """Whoever mutes is not talking to us."""
    before = Track(BEN, "TR_1", 1.0, 20.0)
    absences = lost(before, 22.0)
    assert absences.tick(30.0, [Track(BEN, "TR_2", is_muted=True)]) == [gap(before, 22.0, 30.0)]


def test_a_track_that_was_unpublished_before_is_not_part_of_the_loss() -> None:
    """It had ended by itself."""
    absences = Absences()
    absences.ended(Track(BEN, "TR_1", 1.0, 20.0, "screen_share_audio"), 20.0)
    absences.lost("ben", 20.0 + REASON_SECONDS)
    assert absences.speakers == {}


def test_another_source_does_not_end_the_absence() -> None:
    """The microphone is still missing when only the screen's sound is back."""
    absences = lost(Track(BEN, "TR_1", 1.0, 20.0), 22.0)
    assert absences.tick(35.0, [Track(BEN, "TR_2", 30.0, 35.0, "screen_share_audio")]) == []
    assert list(absences.speakers) == ["ben"]


@given(st.lists(st.tuples(st.floats(1, 30), st.floats(1, 30)), max_size=6))
def test_losses_one_after_the_other_are_a_gap_each(parts: list[tuple[float, float]]) -> None:
    """As many as there were returns, in order, apart."""
    absences, now, gaps = Absences(), 1.0, []
    track = Track(BEN, "TR_0", 0.0, 1.0)
    for number, (away, heard) in enumerate(parts, 1):
        absences.ended(track, now)
        absences.lost("ben", now)
        track = Track(BEN, f"TR_{number}", now + away, now + away + heard)
        now = track.heard_until
        gaps += absences.tick(now, [track])
    assert len(gaps) == len(parts)
    assert all(before.end < after.start for before, after in pairwise(gaps))
