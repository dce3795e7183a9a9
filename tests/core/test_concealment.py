"""A gap is as long as what is missing, and never over words that are there."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.concealment import (
    KEPT_SECONDS,
    LEAST_GAP_SECONDS,
    LONGEST_WAIT_SECONDS,
    REACH_SECONDS,
    Concealment,
)
from agent.core.model import SAMPLE_RATE, Gap, Reason, Segment, Speaker, Word
from agent.core.reception import Damage
from agent.core.timeline import Timeline

ANA = Speaker("ana")
FRAME = 800
HOUR = 3600.0

Span = tuple[float, float]


def heard(speech: list[Span], seconds: float = 60.0) -> Concealment:
    """A track of `seconds` whose samples lie at their room time, with speech in these spans."""
    timeline = Timeline()
    concealment = Concealment(timeline)
    for first in range(0, round(seconds * SAMPLE_RATE), FRAME):
        timeline.heard_frame(FRAME, (first + FRAME) / SAMPLE_RATE)
        at = first / SAMPLE_RATE
        speaks = any(start <= at < end for start, end in speech)
        concealment.heard(first, first + FRAME, 0.9 if speaks else 0.1)
    return concealment


def words(*spans: Span) -> Segment:
    """A final with a word in each span."""
    found = tuple(Word("word", start, end) for start, end in spans)
    return Segment("s", 1, True, ANA, "TR_1", "microphone", spans[0][0], spans[-1][1], "word", found)


def gaps(concealment: Concealment, until: float = HOUR, now: float = 60.0) -> list[Span]:
    return [(round(start, 3), round(end, 3)) for start, end, _ in concealment.settle(until, now)]


def test_a_lost_word_is_a_gap_as_long_as_the_speech_that_no_word_covers() -> None:
    """Of three words the second was torn: 0.1 s of it were made up, somewhere in half a second."""
    concealment = heard([(10.0, 11.4)])
    concealment.damaged(Damage(10.5, 11.0, 0.1))
    concealment.written(words((10.0, 10.4), (11.0, 11.4)))
    assert gaps(concealment) == [(10.4, 11.0)]


def test_words_that_were_recognized_leave_no_gap() -> None:
    """The same damage; all three words are there, with the usual pauses between."""
    concealment = heard([(10.0, 11.4)])
    concealment.damaged(Damage(10.5, 11.0, 0.1))
    concealment.written(words((10.0, 10.4), (10.5, 10.9), (11.0, 11.4)))
    assert gaps(concealment) == []


def test_damage_in_silence_is_a_gap_only_when_it_is_long() -> None:
    """0.1 s hide no word; 0.4 s may, and are as long as what was made up, not as the time between reports."""
    concealment = heard([])
    concealment.damaged(Damage(10.0, 10.5, 0.1))
    assert gaps(concealment) == []
    concealment.damaged(Damage(20.0, 21.0, 0.4))
    assert gaps(concealment) == [(20.3, 20.7)]


def test_speech_without_words_far_from_damage_is_no_gap() -> None:
    """A laugh is not missing."""
    concealment = heard([(10.0, 12.0)])
    concealment.damaged(Damage(13.0, 13.5, 0.1))
    concealment.written(words((14.0, 14.4)))
    assert gaps(concealment) == []


def test_a_gap_reaches_a_word_beyond_the_damage_and_no_further() -> None:
    """Nothing of a long utterance was recognized: a spot of damage does not explain all of it."""
    concealment = heard([(10.0, 20.0)])
    concealment.damaged(Damage(14.0, 14.5, 0.1))
    assert gaps(concealment) == [(14.0 - REACH_SECONDS, 14.5 + REACH_SECONDS)]


def test_a_stall_is_a_gap_without_the_words_in_it() -> None:
    """Words that were recognized at its edges win."""
    concealment = heard([(9.0, 10.2)])
    concealment.damaged(Damage(10.0, 13.0, 3.0))
    concealment.written(words((9.0, 9.5), (9.6, 10.2), (12.8, 13.1)))
    assert gaps(concealment) == [(10.2, 12.8)]


def test_audio_that_was_only_late_is_a_gap_only_where_speech_lacks_a_word() -> None:
    """Its damage has no seconds."""
    concealment = heard([(20.0, 20.8)])
    concealment.damaged(Damage(10.0, 10.5))
    concealment.damaged(Damage(20.0, 20.5))
    assert [start for start, _ in gaps(concealment)] == [pytest.approx(19.9, abs=0.01)]


def test_what_is_a_gap_already_is_not_told_again() -> None:
    """The recognizer failed for the same speech."""
    concealment = heard([(10.0, 11.4)])
    concealment.damaged(Damage(10.0, 11.0, 1.0))
    concealment.written(Gap(ANA, "TR_1", 9.5, 11.6, Reason.RECOGNIZER_ERROR))
    assert gaps(concealment) == []


def test_two_reports_of_one_lost_word_are_one_gap() -> None:
    """A word about the time of a report was torn on both sides."""
    concealment = heard([(10.3, 10.8)])
    concealment.damaged(Damage(10.0, 10.5, 0.1))
    concealment.damaged(Damage(10.5, 11.0, 0.1))
    assert len(gaps(concealment)) == 1


def test_damage_waits_for_the_words_of_its_span() -> None:
    """Until the watermark has passed it, or nothing is awaited any more."""
    concealment = heard([(10.0, 10.8)])
    concealment.damaged(Damage(10.0, 10.5, 0.1))
    assert concealment.since == 10.0
    assert gaps(concealment, until=10.6, now=11.0) == []
    concealment.written(words((10.0, 10.8)))
    assert gaps(concealment, until=11.0, now=11.5) == []
    assert concealment.since is None


def test_damage_does_not_wait_forever() -> None:
    """Whatever becomes of the answer, a gap is told in bounded time."""
    concealment = heard([(10.0, 10.8)])
    concealment.damaged(Damage(10.0, 10.5, 0.1))
    assert gaps(concealment, until=9.0, now=10.5 + LONGEST_WAIT_SECONDS - 1) == []
    assert len(gaps(concealment, until=9.0, now=10.5 + LONGEST_WAIT_SECONDS)) == 1


def test_a_gap_keeps_the_reason_of_its_damage() -> None:
    """The transcriber's own connection was lost meanwhile."""
    concealment = heard([])
    concealment.damaged(Damage(10.0, 12.0, 2.0, Reason.CONNECTION_LOST))
    assert concealment.settle(HOUR, 60.0) == [(10.0, 12.0, Reason.CONNECTION_LOST)]


def test_interims_do_not_cover() -> None:
    """They may be taken back."""
    concealment = heard([])
    concealment.damaged(Damage(10.0, 12.0, 2.0))
    found = (Word("word", 10.0, 12.0),)
    concealment.written(Segment("s", 1, False, ANA, "TR_1", "microphone", 10.0, 12.0, "word", found))
    assert gaps(concealment) == [(10.0, 12.0)]


def test_hours_of_talk_are_not_remembered() -> None:
    """Only what damage may still touch."""
    timeline = Timeline()
    concealment = Concealment(timeline)
    for second in range(2 * 3600):
        first = second * SAMPLE_RATE
        timeline.heard_frame(SAMPLE_RATE, second + 1.0)
        concealment.heard(first, first + FRAME, 0.9)
        concealment.written(words((second + 0.0, second + 0.5)))
        assert concealment.settle(second + 1.0, second + 1.0) == []
    assert len(concealment._speech) <= KEPT_SECONDS + 5
    assert len(concealment._covered) <= KEPT_SECONDS + 5


times = st.floats(1.0, 29.0)
spots = st.tuples(times, st.floats(0.1, 4.0))


@given(
    talk=st.lists(spots, max_size=6),
    damage=st.lists(st.tuples(times, st.floats(0.05, 3.0), st.floats(0.0, 1.0)), max_size=8),
    written=st.lists(st.tuples(times, st.floats(0.1, 1.0)), max_size=12),
)
def test_gaps_lie_near_damage_apart_from_words_and_from_each_other(
    talk: list[Span], damage: list[tuple[float, float, float]], written: list[Span]
) -> None:
    """Whatever is damaged, said and recognized."""
    concealment = heard([(at, at + seconds) for at, seconds in talk], 34.0)
    for at, seconds, share in damage:
        concealment.damaged(Damage(at, at + seconds, seconds * share))
    for at, seconds in sorted(written):
        concealment.written(words((at, at + seconds)))
    found = gaps(concealment)
    assert gaps(concealment) == []
    assert all(before[1] <= after[0] for before, after in pairwise(found))
    for start, end in found:
        assert end - start >= LEAST_GAP_SECONDS - 1e-6
        assert not any(at < end - 0.001 and at + seconds > start + 0.001 for at, seconds in written)
        assert (
            any(
                at - REACH_SECONDS - 0.001 <= start and end <= at + seconds + REACH_SECONDS + 0.001
                for at, seconds, _ in damage
            )
            or len(damage) > 1
        )


@given(st.lists(st.tuples(st.floats(0.4, 3.0), st.floats(0.5, 3.0)), min_size=1, max_size=6))
def test_every_stall_in_which_no_word_was_recognized_is_one_gap(parts: list[Span]) -> None:
    """From its beginning to its end."""
    concealment = heard([], 1.0)
    now, stalls = 1.0, []
    for seconds, pause in parts:
        stalls.append((round(now, 3), round(now + seconds, 3)))
        concealment.damaged(Damage(now, now + seconds, seconds))
        now += seconds + pause
    found = gaps(concealment)
    assert len(found) == len(stalls)
    for gap, stall in zip(found, stalls, strict=True):
        assert gap == pytest.approx(stall, abs=0.0021)


def test_short_pieces_that_leave_no_speech_are_a_gap_where_a_word_has_room() -> None:
    """A word between two others was torn by pieces of 0.1 s until the detector took it for silence."""
    concealment = heard([(10.0, 10.4), (11.0, 11.4)])
    concealment.damaged(Damage(10.5, 11.0, 0.1, in_pieces=0.3))
    concealment.written(words((10.0, 10.4), (11.0, 11.4)))
    [(start, end)] = gaps(concealment)
    assert end - start == pytest.approx(LEAST_GAP_SECONDS)
    assert 10.4 <= start < end <= 11.0


@pytest.mark.parametrize(("pieces", "after"), [(0.1, 11.0), (0.3, 10.65)])
def test_short_pieces_are_no_gap_when_they_are_few_or_no_word_has_room(pieces: float, after: float) -> None:
    """0.1 s in half a second, or 0.25 s between two words."""
    concealment = heard([(10.0, 10.4), (after, 11.4)])
    concealment.damaged(Damage(10.5, 11.0, 0.1, in_pieces=pieces))
    concealment.written(words((10.0, 10.4), (after, 11.4)))
    assert gaps(concealment) == []


def test_the_rest_of_a_torn_word_is_a_gap_as_long_as_a_word() -> None:
    """Only 0.1 s of the word was speech to the detector, which hears it from 0.1 s before on."""
    concealment = heard([(10.0, 10.4), (10.7, 10.8)])
    concealment.damaged(Damage(10.5, 11.0, 0.2))
    concealment.written(words((10.0, 10.4)))
    [(start, end)] = gaps(concealment)
    assert end - start == pytest.approx(LEAST_GAP_SECONDS)
    assert start <= 10.6
    assert end >= 10.8
