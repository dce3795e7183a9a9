"""Speech without words is told after ten seconds of it in a row, and taken back with the next word."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.model import State
from agent.core.wordless import COUGH_SECONDS, PAUSE_SECONDS, RUN_SECONDS, Wordless, has_words

PADDING = 0.85


def states(utterances: list[tuple[float, float]], wordless: Wordless | None = None) -> list[State | None]:
    """What each wordless utterance causes: (seconds of silence before it, seconds of speech)."""
    wordless = wordless or Wordless(PADDING)
    at, found = 0.0, []
    for pause, seconds in utterances:
        start, at = at + pause, at + pause + seconds + PADDING
        found.append(wordless.answered(start, at))
    return found


@pytest.mark.parametrize("text", ["hello", "(laughter) yes", "42", "你好", "нет", "ok."])
def test_these_are_words(text: str) -> None:
    """In any script; what stands beside an event counts."""
    assert has_words(text)


@pytest.mark.parametrize("text", ["", "  ", "…", "(laughter)", "[music]", "(door slams) …", "- -"])
def test_these_are_none(text: str) -> None:
    """Events and signs were not said by anybody."""
    assert not has_words(text)


def test_ten_seconds_of_speech_in_a_row_are_told_once() -> None:
    """However it is cut."""
    assert states([(1, 10)]) == [State.DEGRADED]
    assert states([(1, 4), (2, 4), (2, 4), (2, 4)]) == [None, None, State.DEGRADED, None]


def test_a_word_takes_it_back_and_begins_anew() -> None:
    """Once; and what was counted before is forgotten."""
    wordless = Wordless(PADDING)
    assert states([(1, 12)], wordless) == [State.DEGRADED]
    assert wordless.told
    assert wordless.word() is State.LISTENING
    assert wordless.word() is None
    assert states([(1, 6)], wordless) == [None]


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, COUGH_SECONDS - 0.01))))
def test_coughs_raise_nothing(coughs: list[tuple[float, float]]) -> None:
    """However many."""
    assert not any(states(coughs))


@given(st.lists(st.tuples(st.floats(0, 30), st.floats(COUGH_SECONDS + 0.01, 20)), min_size=1))
def test_it_is_told_exactly_when_enough_was_said(utterances: list[tuple[float, float]]) -> None:
    """One status at the most, and one after a second more than ten at the latest."""
    told = states(utterances)
    said = sum(seconds for _, seconds in utterances)
    assert told.count(State.DEGRADED) <= 1
    if said >= RUN_SECONDS:
        assert State.DEGRADED in told
    if said < RUN_SECONDS - 1:
        assert State.DEGRADED not in told


def test_sounds_that_lie_far_apart_are_not_in_a_row() -> None:
    """A listener who clears the throat every two minutes."""
    assert not any(states([(2 * PAUSE_SECONDS, 2.0)] * 20))


def test_a_long_stretch_without_any_text_is_told_before_it_is_answered() -> None:
    """Once, and not again when its empty answer comes."""
    wordless = Wordless(PADDING)
    assert wordless.unanswered() is State.DEGRADED
    assert states([(0, 20)], wordless) == [None]
    assert wordless.word() is State.LISTENING


def test_what_was_told_of_an_earlier_track_is_taken_back_with_a_word() -> None:
    """Somebody has left and come back."""
    wordless = Wordless(PADDING, told=True)
    assert states([(1, 12)], wordless) == [None]
    assert wordless.word() is State.LISTENING
