"""The values' own rules: what is computed from their fields."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.fields import fields_of, item_from
from agent.core.model import Accounting, Gap, Reason, Segment, Speaker, Turn, Window, Word

ANNA, BOB = Speaker("a", label="Anna"), Speaker("b", label="Bob")
TURNS = (Turn(ANNA, 10.0, 11.0, "how are you"), Turn(BOB, 12.0, 13.0, "fine"))
WINDOW = Window(2, 1, 10.0, 70.0, True, (), TURNS, 4, 3)


def test_a_word_belongs_to_its_middle() -> None:
    """By this it falls into a window."""
    assert Word("hi", 1.0, 2.0).middle == 1.5


ANY_TIME = st.floats(-10, 10) | st.sampled_from([float("nan"), -0.02, 0.0, 0.0625, 1e6])


@given(ANY_TIME, ANY_TIME)
def test_times_are_in_order_whatever_comes_in(start: float, end: float) -> None:
    """Never below 0, and the end after the start, as values, as fields of a message, and read again."""
    word, turn = Word("hi", start, end), Turn(ANNA, start, end, "hi")
    gap = Gap(ANNA, "TR_1", start, end, Reason.STALLED)
    segment = Segment("s1", 1, True, ANNA, "TR_1", "", start, end, "hi", (word,))
    for one in (word, turn, gap, segment, replace(gap, end=start)):
        assert 0.0 <= one.start < one.end
    for item in (gap, segment):
        fields = fields_of(item)
        assert 0.0 <= fields["start"] < fields["end"]
        again = item_from(type(item).__name__.lower(), fields)
        assert fields_of(again) == fields


def test_times_that_are_in_order_stay_as_they_are() -> None:
    """To the last digit."""
    word = Word("hi", 1.00049, 1.0125)
    assert (word.start, word.end) == (1.00049, 1.0125)


def test_a_window_reads_as_a_line_a_turn() -> None:
    """With the speakers or without."""
    assert WINDOW.text == WINDOW.get_text() == "Anna: how are you\nBob: fine"
    assert WINDOW.get_text(include_speakers=False) == "how are you\nfine"


def test_a_window_of_silence_has_no_text() -> None:
    """Not even a line break."""
    assert Window(0, 1, 0.0, 60.0, True, (), (), 0, 0).text == ""


def test_a_window_answers_to_the_names_of_the_buffer() -> None:
    """They are the same fields."""
    assert (WINDOW.window_start, WINDOW.window_end, WINDOW.speaker_turns) == (10.0, 70.0, TURNS)
    assert len(WINDOW) == 3


def test_what_was_heard_is_speech_or_silence() -> None:
    """The gate gives one and keeps the other."""
    assert Accounting(ANNA, heard=10.0, speech=4.0).silence == 6.0


@pytest.mark.parametrize(
    ("answered", "gap", "balanced"),
    [(3.0, 1.0, True), (4.0, 0.0, True), (3.0, 0.5, False), (4.0, 0.5, False)],
)
def test_the_sums_balance_when_nothing_is_open(answered: float, gap: float, balanced: bool) -> None:
    """Every second of speech was answered or is a gap, and none is both."""
    assert Accounting(ANNA, speech=4.0, answered=answered, gap=gap).balanced is balanced
