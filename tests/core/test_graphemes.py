"""Characters as readers see them, and their width."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.exports.graphemes import chunks, graphemes, is_wide, width


@pytest.mark.parametrize(
    "one",
    ["a", "é", "e\u0301", "👩🏽‍💻", "👍🏽", "🇫🇷", "❤️", "🏳️‍🌈", "1️⃣", "각", "각", "กำ", "क्ष", "நி", "שָׁ", "ｶﾞ"],
)
def test_a_character_is_not_cut(one: str) -> None:
    """However many code points it is made of."""
    assert graphemes(f"x{one}y") == ["x", one, "y"]


def test_flags_are_pairs() -> None:
    """Two flags are two characters."""
    assert graphemes("🇫🇷🇩🇪") == ["🇫🇷", "🇩🇪"]


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("abc", 3),
        ("é", 1),
        ("e\u0301", 1),
        ("日本", 4),
        ("한국", 4),
        ("ｱ", 1),
        ("Ａ", 2),
        ("👩🏽‍💻", 2),
        ("🇫🇷", 2),
        ("❤️", 2),
        ("שלום", 4),
        ("\u200b\u202b", 0),
        ("", 0),
    ],
)
def test_width(text: str, columns: int) -> None:
    """As in a font of fixed width."""
    assert width(text) == columns


def test_wide_scripts() -> None:
    """Those between whose characters a line may be broken."""
    assert [is_wide(char) for char in "日アｱaש👍"] == [True, True, False, False, False, True]


@given(st.text(), st.integers(2, 10))
def test_chunks_are_the_text(text: str, columns: int) -> None:
    """Nothing lost; none wider than asked."""
    found = chunks(text, columns)
    assert "".join(found) == text
    assert all(width(chunk) <= columns for chunk in found)
    assert [char for chunk in found for char in graphemes(chunk)] == graphemes(text)
