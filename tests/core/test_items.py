"""Utterances and answers made into segments and gaps."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.gate import Frame
from agent.core.items import ItemMaker, clean
from agent.core.ledger import Answer, Answered, Token, Utterance
from agent.core.model import SAMPLE_RATE, Gap, Reason, Segment, Speaker
from agent.core.timeline import Timeline

ANNA = Speaker("anna", label="interviewer")
SECOND = bytes(2 * SAMPLE_RATE)


def maker(seconds: int = 10, begins: float = 100.0, language: str = "") -> ItemMaker:
    """A track that began at room time `begins` and has been heard for so long."""
    timeline = Timeline()
    for second in range(seconds):
        timeline.heard_frame(SAMPLE_RATE, begins + second + 1)
    return ItemMaker(ANNA, "TR", "microphone", timeline, language=language)


def utterance(start_seconds: int = 2, seconds: int = 3) -> Utterance:
    """Speech from `start_seconds` of the track on."""
    start = start_seconds * SAMPLE_RATE
    frames = [Frame(start + n * SAMPLE_RATE, SECOND) for n in range(seconds)]
    return Utterance(start=start, frames=frames, samples=seconds * SAMPLE_RATE)


def test_words_are_told_in_room_time() -> None:
    """Seconds of the track become seconds of the room."""
    tokens = (Token("hello", 2.5, 3.0), Token(" ", 3.0, 3.1, spacing=True), Token("you", 3.1, 3.5))
    final = maker().final(Answered(utterance(), Answer("hello you", tokens, "en", 0.8)))
    assert final is not None
    assert [word.text for word in final.words] == ["hello", "you"]
    assert [word.start for word in final.words] == pytest.approx([102.5, 103.1], abs=0.001)
    assert (final.start, final.end) == pytest.approx((102.5, 103.5), abs=0.001)
    assert (final.final, final.language, final.confidence, final.revision) == (True, "en", 0.8, 1)


def test_one_id_from_interim_to_final() -> None:
    """The id is that of the first version, the revision rises."""
    make, spoken = maker(), utterance()
    spoken.interim = "hel"
    first = make.interim(spoken)
    last = make.final(Answered(spoken, Answer("hello", (Token("hello", 2.5, 3.0),))))
    assert last is not None
    assert (first.segment_id, first.final, first.revision) == (last.segment_id, False, 1)
    assert last.revision == 2


def test_the_language_asked_for_stands_when_the_answer_names_none() -> None:
    """Also in an answer without times; a language that the recognizer reports wins."""
    make = maker(language="de")
    tokens = (Token("guten", 2.5, 3.0),)
    answers = [Answer("guten", tokens), Answer("guten"), Answer("guten", tokens, "nl")]
    finals = [make.final(Answered(utterance(), answer)) for answer in answers]
    assert [final.language for final in finals if final] == ["de", "de", "nl"]
    spoken = utterance()
    spoken.interim = "gu"
    assert make.interim(spoken).language == ""
    taken_back = make.final(Answered(spoken, Answer("")))
    assert taken_back is not None
    assert taken_back.language == ""


def test_nothing_said_and_nothing_shown() -> None:
    """An empty answer to an utterance without interims is no segment."""
    assert maker().final(Answered(utterance(), Answer(" "))) is None


def test_nothing_said_but_something_shown() -> None:
    """A final without text takes the interims back."""
    make, spoken = maker(), utterance()
    spoken.interim = "uh"
    make.interim(spoken)
    final = make.final(Answered(spoken, Answer("")))
    assert final is not None
    assert (final.text, final.words, final.final) == ("", (), True)


def test_words_without_times_are_spread() -> None:
    """They lie in the utterance, in order, each as long as it is written."""
    final = maker().final(Answered(utterance(), Answer("a longest word")))
    assert final is not None
    starts = [word.start for word in final.words]
    assert starts == sorted(starts)
    assert starts[0] == pytest.approx(102.0, abs=0.001)
    assert final.words[-1].end == pytest.approx(105.0, abs=0.001)


def test_a_lost_utterance_is_a_gap() -> None:
    """The gap covers it; interims that were shown are taken back."""
    make, spoken = maker(), utterance()
    spoken.interim = "hel"
    make.interim(spoken)
    gap, taken_back = make.lost(spoken, Reason.OVERFLOW)
    assert isinstance(gap, Gap)
    assert (gap.start, gap.end) == pytest.approx((102.0, 105.0), abs=0.001)
    assert isinstance(taken_back, Segment)
    assert (taken_back.text, taken_back.final) == ("", True)


@given(st.text(st.characters(codec=None)))
def test_cleaned_text_can_go_anywhere(text: str) -> None:
    """No NUL and no lone surrogate is left; clean text stays as it is."""
    cleaned = clean(text)
    assert "\0" not in cleaned
    assert cleaned.encode().decode() == cleaned
    assert clean(cleaned) == cleaned


def test_a_lost_utterance_of_which_nothing_was_shown_is_just_a_gap() -> None:
    """There is no line to take back."""
    (gap,) = maker().lost(utterance(), Reason.OVERFLOW)
    assert isinstance(gap, Gap)


def test_two_segments_never_share_an_id() -> None:
    """More is told of an utterance after its final: the same track, the same millisecond, another id."""
    make, spoken = maker(), utterance()
    first = make.final(Answered(spoken, Answer("hello", (Token("hello", 2.5, 3.0),))))
    spoken.begin_again()
    second = make.final(Answered(spoken, Answer("there", (Token("there", 3.5, 4.0),))))
    assert first is not None
    assert second is not None
    assert first.segment_id != second.segment_id
    assert second.revision == 1
