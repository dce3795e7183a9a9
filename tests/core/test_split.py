"""Items too large for one message are cut into parts that fit and lose nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.model import Item, Segment, Speaker, Turn, Window, Word
from agent.core.split import split_segment, split_window

ANNA, BOB = Speaker("a", label="Anna"), Speaker("b", label="Bob")


def size(item: Item) -> int:
    """A wire of our own: 10 bytes a message, the UTF-8 of all texts, 5 for each word and turn."""
    if isinstance(item, Segment):
        words = sum(5 + len(word.text.encode()) for word in item.words)
        return 10 + len(item.text.encode()) + words
    assert isinstance(item, Window)
    return 10 + len(item.text.encode()) + 5 * len(item.turns)


def segment(text: str, words: list[str] | None = None) -> Segment:
    """A final of this text, and its words unless others are given."""
    told = text.split() if words is None else words
    timed = tuple(Word(word, float(index), index + 0.5) for index, word in enumerate(told))
    return Segment("s", 1, True, ANNA, "TR", "microphone", 0.0, 1.0, text, timed)


def window(texts: list[str]) -> Window:
    """Two speakers who take turns."""
    turns = tuple(Turn((ANNA, BOB)[n % 2], float(n), n + 1.0, text) for n, text in enumerate(texts))
    return Window(3, 1, 0.0, 60.0, True, (), turns, 0, 0)


def test_what_fits_is_one_part() -> None:
    """Nothing is changed."""
    small = segment("hello there")
    assert split_segment(small, 1000, size) == [small]
    assert split_window(window(["hello", "hi"]), 1000, size) == [
        (window(["hello", "hi"]), "Anna: hello\nBob: hi")
    ]


def test_a_cut_is_made_between_words() -> None:
    """The blank stays at the end of the part before."""
    parts = split_segment(segment("alpha bravo charlie delta", words=[]), 24, size)
    assert [part.text for part in parts] == ["alpha bravo ", "charlie delta"]


def test_a_huge_word_is_cut_between_characters() -> None:
    """Never inside one, however many bytes it has."""
    parts = split_segment(segment("\U0001f600" * 10, words=[]), 23, size)
    assert [part.text for part in parts] == ["\U0001f600" * 3] * 3 + ["\U0001f600"]


def test_a_turn_is_cut_only_when_it_is_too_large_alone() -> None:
    """One that fits into a part of its own gets it."""
    parts = split_window(window(["one two", "three four five six"]), 60, size)
    assert [[turn.text for turn in part.turns] for part, _ in parts] == [["one two"], ["three four five six"]]


def test_a_cut_turn_keeps_its_speaker_and_start() -> None:
    """By this its pieces find together; the label is told once."""
    parts = split_window(window(["word " * 20]), 60, size)
    assert len(parts) > 1
    assert {(turn.speaker, turn.start) for part, _ in parts for turn in part.turns} == {(ANNA, 0.0)}
    assert [text.startswith("Anna: ") for _, text in parts] == [True] + [False] * (len(parts) - 1)


def test_a_word_beyond_half_a_part_is_told_by_the_text_alone() -> None:
    """Its times stay among the words."""
    parts = split_segment(segment("x" * 100), 60, size)
    words = [word for part in parts for word in part.words]
    assert [(word.text, word.start, word.end) for word in words] == [("", 0.0, 0.5)]
    assert "".join(part.text for part in parts) == "x" * 100


@given(text=st.text(max_size=200), words=st.lists(st.text(max_size=8), max_size=20))
def test_parts_of_a_segment_joined_are_the_segment(text: str, words: list[str]) -> None:
    """In order, each within the limit."""
    whole = segment(text, words)
    parts = split_segment(whole, 100, size)
    assert "".join(part.text for part in parts) == text
    assert tuple(word for part in parts for word in part.words) == whole.words
    assert all(size(part) <= 100 for part in parts)


@given(texts=st.lists(st.text(max_size=120), max_size=8))
def test_parts_of_a_window_joined_are_the_window(texts: list[str]) -> None:
    """The texts of the parts are its text, the turns' texts those of its turns."""
    whole = window(texts)
    parts = split_window(whole, 100, size)
    assert "".join(text for _, text in parts) == whole.text
    assert "".join(turn.text for part, _ in parts for turn in part.turns) == "".join(texts)
    assert all(size(part) <= 100 for part, _ in parts)


@pytest.mark.parametrize("limit", [0, 5, 12])
def test_a_limit_that_nothing_fits_still_ends(limit: int) -> None:
    """A character goes into each part rather than none for ever."""
    parts = split_segment(segment("ab cd"), limit, size)
    assert "".join(part.text for part in parts) == "ab cd"
    assert "".join(text for _, text in split_window(window(["ab", "cd"]), limit, size)) == "Anna: ab\nBob: cd"
