"""Segments in the smallest pieces between which a line may be broken."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given

from agent.core.exports.fragments import fragments
from agent.core.model import Segment, Word
from tests.contract.exports import bare, segments
from tests.contract.record import segment


def texts(found: Segment, columns: int = 42) -> list[str]:
    """The pieces, `+` before what is glued."""
    return [("+" if one.glued else "") + one.text for one in fragments(found, columns)][:]


def test_words_keep_their_times() -> None:
    """And their punctuation."""
    said = replace(segment("x"), text="Well, yes.", words=(Word("Well", 1.0, 1.2), Word("yes", 1.5, 1.75)))
    assert [(one.text, one.start_ms, one.end_ms) for one in fragments(said, 42)] == [
        ("Well,", 1000, 1200),
        ("yes.", 1500, 1750),
    ]


def test_without_times_the_text_is_spread_by_its_length() -> None:
    """So words are shown about when they are said."""
    said = replace(segment("x", 10.0), text="abcd ab", words=(), end=16.0)
    assert [(one.start_ms, one.end_ms) for one in fragments(said, 42)] == [(10_000, 14_000), (14_000, 16_000)]


def test_words_that_are_not_those_of_the_text_give_no_times() -> None:
    """The text is what was said."""
    said = replace(segment("x", 10.0), text="five", words=(Word("5", 10.2, 10.4),), end=11.0)
    assert [(one.text, one.start_ms, one.end_ms) for one in fragments(said, 42)] == [("five", 10_000, 11_000)]


def test_what_is_longer_than_a_line_is_cut() -> None:
    """Between characters, with shares of its time."""
    said = replace(segment("x", 0.0), text="a" * 10, words=(Word("a" * 10, 0.0, 1.0),))
    assert [(one.text, one.start_ms, one.glued) for one in fragments(said, 4)] == [
        ("aaaa", 0, True),
        ("aaaa", 400, True),
        ("aa", 800, True),
    ]


def test_pieces_of_one_word_stay_together() -> None:
    """Some recognizers give a compound in pieces."""
    words = (Word("twenty", 0.0, 0.4), Word("-one", 0.4, 0.6), Word("men", 0.7, 0.9))
    assert texts(replace(segment("x"), text="twenty-one men", words=words)) == ["+twenty-one", "men"]


def test_a_script_without_blanks_is_cut_between_characters() -> None:
    """Not before what closes, not after what opens; scripts that have no wide letters between their words."""
    assert texts(replace(segment("x"), text="「はい」、ok。", words=())) == ["+「は", "+い」、", "+ok。"]
    thai = ("สวัสดี", "ครับ", "ผม", "ชื่อ", "สมชาย", "และ", "ผม", "ทำงาน", "ที่", "กรุงเทพ")
    words = tuple(Word(word, place * 0.5, place * 0.5 + 0.4) for place, word in enumerate(thai))
    found = texts(replace(segment("x"), text="".join(thai), words=words))
    assert 2 <= len(found) <= 5
    assert "".join(found).replace("+", "") == "".join(thai)


@given(segments())
def test_nothing_is_lost_and_time_does_not_fall(said: list[Segment]) -> None:
    """Whatever the words and times are."""
    for one in said:
        found = fragments(one, 42)
        assert bare("".join(fragment.text for fragment in found)) == bare(one.text)
        assert all(fragment.columns <= 42 for fragment in found)
        assert all(fragment.end_ms >= fragment.start_ms for fragment in found)
        starts = [fragment.start_ms for fragment in found]
        assert starts == sorted(starts)
