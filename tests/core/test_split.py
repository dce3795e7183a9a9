"""Items too large for one message are cut into parts that fit and lose nothing."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.fields import Fields, dump, end_fields, segment_fields, window_fields
from agent.core.model import Accounting, End, Segment, Speaker, Turn, Window, Word
from agent.core.split import split

ANNA, BOB = Speaker("a", label="Anna"), Speaker("b", label="Bob")
LIMIT = 1400


def segment(text: str, words: list[str] | None = None) -> Fields:
    """A final of this text, and its words unless others are given."""
    told = text.split() if words is None else words
    timed = tuple(Word(word, float(index), index + 0.5) for index, word in enumerate(told))
    return segment_fields(Segment("s", 1, True, ANNA, "TR", "microphone", 0.0, 1.0, text, timed))


def window(texts: list[str], pending: tuple[str, ...] = ()) -> Fields:
    """Two speakers who take turns."""
    turns = tuple(Turn((ANNA, BOB)[n % 2], float(n), n + 1.0, text) for n, text in enumerate(texts))
    return window_fields(Window(3, 1, 0.0, 60.0, False, pending, turns, 0, 0))


def parts_of(kind: str, fields: Fields) -> list[Fields]:
    """The parts, each within the limit and with all other fields of the item."""
    parts = split(kind, fields, LIMIT)
    assert max(len(dump(part)) for part in parts) <= LIMIT
    shared = {"text", "turns", "pending", "accounting", "continued"} | (
        {"words"} if kind == "segment" else set()
    )
    rest = {name: value for name, value in fields.items() if name not in shared}
    for part in parts:
        assert {name: value for name, value in part.items() if name not in shared} == rest
    return parts


def entries(parts: list[Fields], name: str) -> list[Any]:
    """A list of all parts, entries that were cut put together again."""
    whole: list[Any] = []
    for part in parts:
        share = list(part[name])
        if part.get("continued") and share and name in ("words", "turns"):
            whole[-1] = {**whole[-1], "text": whole[-1]["text"] + share.pop(0)["text"]}
        whole += share
    return whole


def joined_text(parts: list[Fields]) -> str:
    return "".join(part["text"] for part in parts)


def test_what_fits_is_one_part() -> None:
    """Nothing is changed."""
    small = segment("hello there")
    assert split("segment", small, LIMIT) == [small]
    talk = window(["hello", "hi"], ("Cem",))
    assert split("window", talk, LIMIT) == [talk]


def test_other_items_are_never_cut() -> None:
    """A gap or a status is small."""
    assert split("gap", {"start": 1.0}, 0) == [{"start": 1.0}]


def test_a_cut_is_made_between_words() -> None:
    """The blank stays at the end of the part before."""
    parts = parts_of("segment", segment("alpha bravo " * 200, words=[]))
    assert len(parts) > 1
    assert all(part["text"].endswith(" ") for part in parts)


def test_a_text_without_blanks_is_cut_between_characters() -> None:
    """Never inside one, however many bytes it has."""
    parts = parts_of("segment", segment("\U0001f600" * 1000, words=[]))
    assert len(parts) > 3
    assert joined_text(parts) == "\U0001f600" * 1000


def test_a_huge_word_is_cut_and_said_to_be_continued() -> None:
    """Joined it is the word, with its times."""
    fields = segment("x" * 5000)
    parts = parts_of("segment", fields)
    assert [part.get("continued", False) for part in parts] == [False] + [True] * (len(parts) - 1)
    assert entries(parts, "words") == fields["words"]


def test_a_turn_is_cut_only_when_it_is_too_large_alone() -> None:
    """One that fits into a part of its own gets it, with its line of the text."""
    parts = parts_of("window", window(["one " * 90, "two " * 90]))
    assert [len(part["turns"]) for part in parts] == [1, 1]
    assert [part["text"][:9] for part in parts] == ["Anna: one", "\nBob: two"]
    assert not any(part.get("continued") for part in parts)


def test_a_turn_that_is_cut_tells_its_label_once() -> None:
    """Its rest goes on where the part before stopped."""
    parts = parts_of("window", window(["word " * 500, "yes"]))
    assert len(parts) > 2
    assert all(part["continued"] for part in parts[1:])
    assert [part["text"].startswith("Anna: ") for part in parts] == [True] + [False] * (len(parts) - 1)
    assert parts[-1]["text"].endswith("\nBob: yes")


def test_many_pending_labels_are_shared_out() -> None:
    """A webinar in which three hundred people have their answers pending."""
    labels = tuple(f"participant {number}" for number in range(300))
    fields = window(["hello"], labels)
    parts = parts_of("window", fields)
    assert entries(parts, "pending") == list(labels)
    assert [len(part["turns"]) for part in parts] == [1] + [0] * (len(parts) - 1)
    assert joined_text(parts) == fields["text"]


def test_the_sums_of_many_speakers_are_shared_out() -> None:
    """An end of a hundred speakers."""
    sums = tuple(Accounting(Speaker(str(number)), heard=number) for number in range(100))
    fields = end_fields(End(1, 2, 3, 4, "a", "b", sums))
    assert entries(parts_of("end", fields), "accounting") == fields["accounting"]


def test_what_has_no_text_to_cut_stays_whole() -> None:
    """A single letter, a label, the sums of a speaker: their part is too large rather than empty."""
    parts = split("end", end_fields(End(1, 2, 3, 4, "a", "b", (Accounting(Speaker("x" * 3000)),))), LIMIT)
    assert [len(part["accounting"]) for part in parts] == [1]
    letter = segment("", ["x"])
    letter["words"][0]["more"] = "y" * 3000
    assert entries(split("segment", letter, LIMIT), "words") == letter["words"]


texts = st.text(st.characters(codec="utf-8"), max_size=600)
long_texts = st.builds(lambda text, times: text * times, texts, st.integers(1, 9))


@given(text=long_texts, words=st.lists(long_texts, max_size=20))
def test_parts_of_a_segment_joined_are_the_segment(text: str, words: list[str]) -> None:
    """In order, each within the limit."""
    fields = segment(text, words)
    parts = parts_of("segment", fields)
    assert joined_text(parts) == text
    assert entries(parts, "words") == fields["words"]


@given(
    turns=st.lists(long_texts, max_size=8),
    pending=st.lists(st.text("aö\U0001f600", max_size=60), max_size=60),
)
def test_parts_of_a_window_joined_are_the_window(turns: list[str], pending: list[str]) -> None:
    """The texts of the parts are its text, their turns its turns, their labels its labels."""
    fields = window(turns, tuple(pending))
    parts = parts_of("window", fields)
    assert joined_text(parts) == fields["text"]
    assert entries(parts, "turns") == fields["turns"]
    assert entries(parts, "pending") == pending


@pytest.mark.parametrize("limit", [0, 5, 300])
def test_a_limit_that_nothing_fits_still_ends(limit: int) -> None:
    """Parts are larger than asked rather than without end."""
    parts = split("segment", segment("ab cd " * 300), limit)
    assert joined_text(parts) == "ab cd " * 300
    assert len(parts) <= 60
