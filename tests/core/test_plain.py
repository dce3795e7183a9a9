"""Texts that fit into a line."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.core.exports.plain import gap_note, gap_reason, label_of, one_line
from agent.core.model import Speaker
from tests.contract.record import gap


@given(st.text())
def test_a_line_is_one_line(text: str) -> None:
    """For every reader: Python's, a terminal's, a browser's."""
    line = one_line(text)
    assert len(line.splitlines()) <= 1
    assert not any(char < " " and char != "\t" for char in line)


def test_words_and_blanks_stay() -> None:
    """Only what breaks lines or drives terminals is changed."""
    assert one_line("a\r\nb\u2028c\x85d\x00\x1b[31me\tf\xa0g  h") == "a b c d[31me\tf\xa0g  h"


def test_a_label_leaves_the_line_s_direction_alone() -> None:
    """A name that turns the writing direction would turn the text after it, too."""
    assert label_of(Speaker("x", label="Zoë\u202e \n\tb")) == "Zoë b"
    assert label_of(Speaker("x", label=" \x00")) == "speaker"


def test_a_gap_tells_its_end_and_reason() -> None:
    """In words."""
    assert gap_note(gap(4.0)) == "[missing until 00:00:07: recognizer unreachable]"
    assert gap_reason(gap()) == "recognizer unreachable"
