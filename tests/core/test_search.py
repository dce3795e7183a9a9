"""Words of any language, folded; and what a search finds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.search import MAX_CHARS, MAX_WORD_CHARS, Phrase, Search, parse_search, words_of

texts = st.text(st.characters(codec=None), max_size=40)
spoken = st.lists(
    st.sampled_from(
        ["Kafka", "don't", "café", "面试", "は", "면접을", "हिन्दी", "ภาษาไทย", "שָׁלוֹם", "3.5", "—"]
    )
).map(" ".join)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        ("Hello, World! x_1", ["hello", "world", "x", "1"]),
        ("don't — DON’T", ["don", "t", "don", "t"]),
        ("Ça coûte 3,5 €", ["ca", "coute", "3", "5"]),
        ("Straße STRASSE", ["strasse", "strasse"]),
        ("İstanbul", ["istanbul"]),
        ("Işık IŞIK işık ışık", ["isik"] * 4),
        ("DİYARBAKIR Diyarbakır", ["diyarbakir"] * 2),
        ("Đà Nẵng Łódź Ħaż ŧ ƀ", ["da", "nang", "lodz", "haz", "t", "b"]),
        ("Søren Ærø œuvre d\u0335", ["soren", "aero", "oeuvre", "d"]),
        ("Қазақ ґанок ҋ", ["казак", "ганок", "и"]),
        ("ƻ þing eð ŋ", ["ƻ", "þing", "eð", "ŋ"]),
        ("ΟΔΟΣ οδός", ["οδοσ", "οδοσ"]),
        ("Ёлка Йод", ["елка", "иод"]),
        ("שָׁלוֹם", ["שלום"]),
        ("مُحَمَّد", ["محمد"]),
        ("می\u200cخواهم", ["میخواهم"]),
        ("हिन्दी भाषा", ["हिन्दी", "भाषा"]),
        ("我喜欢面试。", ["我", "喜", "欢", "面", "试"]),
        ("がか カﾞ ｶﾞ", ["が", "か", "ガ", "ガ"]),
        ("면접을", ["면", "접", "을"]),
        ("ที่นี่", ["ที่", "นี่"]),
        ("Python3を使う", ["python3", "を", "使", "う"]),
        ("ﬁle Ｆｕｌｌ", ["file", "full"]),
        ("👩🏽‍💻 \ud800 \0", []),
    ],
)
def test_words_are_cut_and_folded(text: str, words: list[str]) -> None:
    """Case, widths and accents go; marks that make other letters stay."""
    assert words_of(text) == words


@pytest.mark.parametrize(
    ("sought", "text", "found"),
    [
        ("kafka", "We used Kafka.", True),
        ("kafk", "We used Kafka.", False),
        ("kafk*", "We used Kafka.", True),
        ("kafka postgres", "Postgres, then Kafka", True),
        ("kafka postgres", "Kafka alone", False),
        ('"event sourcing"', "Event-sourcing, you know", True),
        ('"event sourcing"', "sourcing event", False),
        ('"event sour"*', "event sourcing", False),
        ('"event sour*"', "event sourcing", True),
        ('"event sour*"', "event re-sourcing", False),
        ("don't", "I don’t know", True),
        ("don't", "t, said Don", False),
        ("面试", "我喜欢面试", True),
        ("试面", "我喜欢面试", False),
        ("면접", "면접을 봤어요", True),
        ("cafe", "Café", True),
        ("CAFÉ", "cafe", True),
        ("a AND b", "a b", False),
        ("a OR", "or a", True),
        ("NOT a", "a", False),
        ("(a) -b ^c text:d", "a b c text d", True),
        ('"a b', "a b", True),
        ("“a b”", "a x b", False),
    ],
)
def test_what_is_found(sought: str, text: str, found: bool) -> None:
    """All words, in any order; phrases and beginnings; nothing else has a meaning."""
    assert parse_search(sought).finds(text) is found


@pytest.mark.parametrize("text", ["", " ", '""', "*", "— !?", "👍", "\0", "\u200b"])
def test_a_search_without_a_word_finds_nothing(text: str) -> None:
    """Nor everything, not even a text like it."""
    assert parse_search(text) == Search(())
    assert not parse_search(text).finds(text)


def test_quotes_and_stars_are_read() -> None:
    """A word is a phrase of one; empty parts are none."""
    assert parse_search('a "b c" d* "" "e') == Search(
        (Phrase(("a",)), Phrase(("b", "c")), Phrase(("d",), prefix=True), Phrase(("e",)))
    )


def test_a_text_of_any_length_costs_no_more_than_a_long_one() -> None:
    """What nobody says in one go is not found, and can fill no index."""
    assert words_of("x" * 1_000_000) == ["x" * MAX_WORD_CHARS]
    assert len(words_of("é " * 1_000_000)) == MAX_CHARS // 2


@given(texts | spoken)
def test_a_text_is_found_by_itself(text: str) -> None:
    """Whatever is in it, as long as there is a word."""
    words = words_of(text)
    if words:
        assert parse_search(text).finds(text)
    assert all(word and not any(one.isspace() or one in "'\"\\*:&|!()" for one in word) for word in words)


@given(texts | spoken, st.integers(0, 5), st.integers(1, 3))
def test_each_row_of_words_is_found(text: str, first: int, count: int) -> None:
    """A phrase of neighbours, in quotes."""
    row = words_of(text)[first : first + count]
    if row:
        assert Phrase(tuple(row)).is_in(words_of(text))
        assert not Phrase((*row, "missing")).is_in(words_of(text))
