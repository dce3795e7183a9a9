"""Figures of a session, from segments and gaps alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.analytics import Analytics, Several, SpeakerFigures, Stretch, analyse
from agent.core.model import Gap, Reason, Segment, Speaker

ADA = Speaker("ada", "Ada", "interviewer", "interviewer")
IDA = Speaker("ida", "Ida", "interviewer", "interviewer 2")
BOB = Speaker("bob", "Bob", "candidate", "candidate")


def said(speaker: Speaker, start: float, end: float, text: str = "one two", track: str = "TR_1") -> Segment:
    """A final segment without times of words."""
    return Segment(f"{track}-{start}", 1, True, speaker, track, "microphone", start, end, text)


def lost(speaker: Speaker, start: float, end: float) -> Gap:
    """A gap."""
    return Gap(speaker, "TR_1", start, end, Reason.RECOGNIZER_UNREACHABLE)


def of(found: Analytics, speaker: Speaker) -> SpeakerFigures:
    """One speaker's figures."""
    return next(one for one in found.speakers if one.speaker == speaker)


def test_an_empty_session_has_empty_figures() -> None:
    """Zeros, and None where there is nothing to divide by."""
    assert analyse([]) == Analytics(0.0, 0, 0, Several(0, 0.0, None), Several(0, 0.0, None), 0.0)


def test_talk_share_words_and_turns() -> None:
    """Two people who speak one after the other."""
    found = analyse([said(ADA, 0, 6), said(BOB, 7, 9, "a b c d"), said(BOB, 9.5, 11.5), said(ADA, 12, 14)])
    ada, bob = of(found, ADA), of(found, BOB)
    assert (ada.talk_seconds, bob.talk_seconds, found.talk_seconds) == (8.0, 4.0, 12.0)
    assert (ada.share, bob.share) == (pytest.approx(2 / 3), pytest.approx(1 / 3))
    assert (ada.words, bob.words, found.words) == (4, 6, 10)
    assert (ada.words_a_minute, bob.words_a_minute) == (30.0, 90.0)
    assert (ada.turns, bob.turns, found.turns) == (2, 1, 3)
    assert (ada.segments, bob.segments) == (2, 2)
    assert bob.longest_monologue == Stretch(7.0, 11.5, 4.5)


def test_a_rejoin_and_a_second_track_are_one_speaker() -> None:
    """Their time counts once."""
    found = analyse([said(BOB, 0, 4), said(BOB, 2, 6, track="TR_2"), said(BOB, 100, 102, track="TR_3")])
    assert of(found, BOB).talk_seconds == found.talk_seconds == 8.0
    assert found.overlaps.count == of(found, BOB).overlaps.count == 0
    assert of(found, BOB).turns == 1


def test_talking_at_once_is_an_overlap_of_each() -> None:
    """Three at once are one overlap of the session."""
    found = analyse([said(ADA, 0, 10), said(BOB, 8, 12), said(IDA, 9, 9.5)])
    assert found.overlaps == Several(1, 2.0, Stretch(8.0, 10.0, 2.0))
    assert [of(found, one).overlaps.seconds for one in (ADA, BOB, IDA)] == [2.0, 2.0, 0.5]
    assert found.talk_seconds == 12.0


def test_an_aside_does_not_take_the_floor() -> None:
    """ "mhm" in somebody's sentence is talk, but no turn, and ends no monologue."""
    found = analyse([said(ADA, 0, 10), said(BOB, 5, 5.4, "mhm"), said(ADA, 10.5, 20)])
    assert (of(found, ADA).turns, of(found, BOB).turns) == (1, 0)
    assert of(found, ADA).longest_monologue == Stretch(0.0, 20.0, 20.0)
    assert of(found, BOB).talk_seconds == 0.4
    assert found.responses == ()


def test_of_two_that_say_the_same_stretch_one_has_the_floor() -> None:
    """Neither is inside the other more than the other is."""
    assert analyse([said(ADA, 0, 2), said(BOB, 0, 2)]).turns == 1


def test_a_monologue_ends_in_a_silence_or_with_another_turn() -> None:
    """Shorter pauses belong to it."""
    found = analyse(
        [said(BOB, 0, 3), said(BOB, 4.9, 8), said(BOB, 10, 12), said(ADA, 12, 13), said(BOB, 13, 20)]
    )
    assert of(found, BOB).longest_monologue == Stretch(0.0, 8.0, 8.0)


def test_silences_are_two_seconds_and_longer() -> None:
    """Between the first word and the last one; those inside a turn are also the speaker's."""
    found = analyse([said(ADA, 5, 6), said(BOB, 7.9, 9), said(BOB, 12, 13), said(ADA, 20, 21)])
    assert found.silences == Several(2, 10.0, Stretch(13.0, 20.0, 7.0))
    assert of(found, BOB).silences == Several(1, 3.0, Stretch(9.0, 12.0, 3.0))
    assert of(found, ADA).silences.count == 0


def test_where_something_is_missing_it_was_not_silent() -> None:
    """What is left on both sides is a silence when it is long enough."""
    found = analyse([said(ADA, 0, 1), said(BOB, 20, 21)], [lost(BOB, 2, 10)])
    assert found.silences == Several(1, 10.0, Stretch(10.0, 20.0, 10.0))
    assert (found.gap_seconds, of(found, BOB).gap_seconds, of(found, ADA).gap_seconds) == (8.0, 8.0, 0.0)


def test_somebody_of_whom_only_a_gap_is_left_is_listed() -> None:
    """Without talk, so without words a minute."""
    found = analyse([said(ADA, 0, 1)], [lost(BOB, 2, 10)])
    bob = of(found, BOB)
    assert (bob.talk_seconds, bob.words_a_minute, bob.share, bob.longest_monologue) == (0.0, None, 0.0, None)


def test_a_response_is_from_the_last_word_of_a_question_to_the_first_of_its_answer() -> None:
    """The turn before it is the question, whoever asked it."""
    found = analyse(
        [
            said(ADA, 0, 3, "Hello."),
            said(IDA, 3.5, 6, "Who are"),
            said(IDA, 6.2, 7, "you?"),
            said(BOB, 8.5, 12),
            said(ADA, 13, 15, "And why?"),
            said(BOB, 18, 20),
            said(ADA, 21, 22, "Thank you."),
        ]
    )
    assert [(one.asked_by, one.question, one.seconds) for one in found.responses] == [
        (IDA, "Who are you?", 1.5),
        (ADA, "And why?", 3.0),
    ]
    assert [(one.asked_until, one.answered_by, one.answered_at) for one in found.responses] == [
        (7.0, BOB, 8.5),
        (15.0, BOB, 18.0),
    ]
    bob = of(found, BOB)
    assert (bob.responses, bob.response_seconds_median, bob.response_seconds_longest) == (2, 2.25, 3.0)
    assert of(found, ADA).response_seconds_median is None


def test_who_answers_before_the_end_of_the_question_took_less_than_no_time() -> None:
    """By as much as they overlap; an interviewer who goes on talking counts, too."""
    found = analyse([said(ADA, 0, 10), said(IDA, 2, 11), said(BOB, 9.5, 14)])
    assert [one.seconds for one in found.responses] == [-1.5]


def test_a_gap_between_question_and_answer_makes_the_time_unknown() -> None:
    """Something was said there; a gap elsewhere changes nothing."""
    talk = [said(ADA, 0, 3), said(BOB, 8, 12), said(ADA, 13, 14), said(BOB, 15, 16)]
    found = analyse(talk, [lost(BOB, 3.5, 7.9), lost(ADA, 15.5, 40)])
    assert [one.seconds for one in found.responses] == [None, 1.0]
    assert of(found, BOB).responses == 1


def test_without_a_candidate_there_are_no_responses() -> None:
    """Roles are from the tokens."""
    nobody = replace(BOB, role="")
    assert analyse([said(ADA, 0, 1), said(nobody, 2, 3)]).responses == ()


spoken = st.lists(
    st.builds(
        lambda who, start, long: said(who, start, start + long),
        st.sampled_from([ADA, IDA, BOB]),
        st.floats(-2, 100),
        st.floats(0, 20),
    ),
    max_size=8,
)
missing = st.lists(
    st.builds(
        lambda who, start, long: lost(who, start, start + long),
        st.sampled_from([ADA, BOB]),
        st.floats(0, 100),
        st.floats(0, 20),
    ),
    max_size=3,
)


@given(spoken, missing, st.randoms())
def test_figures_fit_together(segments: list[Segment], gaps: list[Gap], random: object) -> None:
    """Sums, shares and bounds, whatever overlaps what; the order in which segments come does not matter."""
    found = analyse(segments, gaps)
    each = found.speakers
    talk = sum(one.talk_seconds for one in each)
    assert sum(one.share for one in each) == pytest.approx(1 if talk else 0)
    assert sum(one.words for one in each) == found.words == 2 * len(segments)
    assert sum(one.turns for one in each) == found.turns
    assert max((one.talk_seconds for one in each), default=0) <= found.talk_seconds + 1e-9 <= talk + 2e-9
    assert found.overlaps.seconds <= sum(one.overlaps.seconds for one in each) / 2 + 1e-9
    assert sum(one.silences.seconds for one in each) <= found.silences.seconds + 1e-9
    first, last = (
        min((one.start for one in segments), default=0),
        max((one.end for one in segments), default=0),
    )
    whole = last - first + 0.001
    assert found.talk_seconds + found.silences.seconds <= whole + 1e-9
    for one in each:
        if one.longest_monologue:
            assert one.longest_monologue.seconds <= whole + 1e-9
    shuffled = list(segments)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert analyse(shuffled, gaps).talk_seconds == found.talk_seconds
    assert analyse(shuffled, gaps).silences == found.silences
