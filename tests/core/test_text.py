"""Text that cannot be said is the same live, stored and on the wire."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agent.core import items
from agent.core.fields import dump
from agent.core.text import clean_json, clean_text
from agent.store.clean import clean

texts = st.text(st.characters(codec=None))
"""Lone surrogates too."""


@pytest.mark.parametrize(
    ("odd", "cleaned"),
    [
        ("", ""),
        ("Zoë says 😀", "Zoë says 😀"),
        ("a\0b \ud800c", "a\ufffdb \ufffdc"),
        ("\ud83d\ude00", "😀"),
        ("\ude00\ud83d", "\ufffd\ufffd"),
        ("\\u0000 \\", "\\u0000 \\"),
    ],
)
def test_what_cannot_be_said_becomes_the_replacement_character(odd: str, cleaned: str) -> None:
    """One for each; two halves that belong together are a character."""
    assert clean_text(odd) == cleaned


@given(texts)
@example("a\0b \ud800c")
@example("\\u0000")
def test_all_ways_out_have_the_same_text(odd: str) -> None:
    """What is shown live, what the store keeps, and what a message or an answer says."""
    cleaned = clean_text(odd)
    assert items.clean(odd) == cleaned.strip()
    assert clean(odd) == cleaned
    assert json.loads(dump({odd: [odd, (odd,)]})) == {cleaned: [cleaned, [cleaned]]}
    assert clean_json({odd: [odd, 1.5, None, True]}) == {cleaned: [cleaned, 1.5, None, True]}
    cleaned.encode("utf-8")


@given(texts)
def test_it_is_clean_then(odd: str) -> None:
    """Cleaning again changes nothing, so it does not matter who cleans."""
    assert clean_text(clean_text(odd)) == clean_text(odd)
