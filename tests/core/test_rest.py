"""What a late segment adds to those that are stored: no word twice, none lost."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from agent.core.rest import rest_of
from tests.contract.record import segment


def test_a_stretch_that_nobody_else_heard_is_kept() -> None:
    """Nothing stored, something stored elsewhere in time, or of another track."""
    late = segment("one two", 1.0)
    assert rest_of(late, []) is late
    assert rest_of(late, [segment("three", 5.0)]) is late
    assert rest_of(late, [replace(segment("one two", 1.0), track_sid="TR_2")]) is late


def test_what_is_stored_is_not_said_again() -> None:
    """The same stretch of the same track, whatever the other one understood."""
    assert rest_of(segment("one two", 1.0), [segment("won too", 0.9)]) is None


def test_only_the_words_that_are_missing_are_kept() -> None:
    """The other began in mid utterance: text, words and times are those of the rest."""
    rest = rest_of(segment("one, two three. four", 1.0), [segment("three four", 2.0)])
    assert rest is not None
    assert (rest.text, rest.start, rest.end) == ("one, two", 1.0, 2.0)
    assert [word.text for word in rest.words] == ["one,", "two"]


def test_a_segment_without_word_times_is_kept_or_not() -> None:
    """By its middle."""
    late = replace(segment("one two", 1.0), words=())
    assert rest_of(late, [segment("x", 3.0)]) == late
    assert rest_of(late, [segment("x", 1.2)]) is None


@given(st.lists(st.integers(0, 40), max_size=6, unique=True))
def test_words_and_spans_share_nothing(starts: list[int]) -> None:
    """Each word is in the rest or inside a stored span, never both."""
    late = segment(" ".join(f"w{number}" for number in range(20)), 1.0)
    stored = [segment("x", start / 2) for start in starts]
    rest = rest_of(late, stored)
    kept = {word.text for word in rest.words} if rest else set()
    for word in late.words:
        inside = any(one.start <= word.middle <= one.end for one in stored)
        assert (word.text in kept) != inside
