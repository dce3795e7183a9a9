"""How many words a text has, in any language."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.words import count_words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", 0),
        ("Hello there", 2),
        ("I don't use state-of-the-art tools, e.g. 3.5 %.", 7),
        ("Well — yes … 👍", 2),
        ("我喜欢面试。", 3),
        ("我 喜欢 面试", 3),
        ("わたしは学生です", 4),
        ("カタカナ、ｶﾀｶﾅ", 2),
        ("ภาษาไทยนี่สวยมาก", 5),
        ("ກາແຟ", 1),
        ("Python是最好的语言", 4),
        ("면접을 봤어요", 2),
        ("שלום, מה שלומך?", 3),
        ("हिन्दी भाषा", 2),
        ("(laughter)", 0),
        ("(laughter) Hello (phone ringing) there [music]", 2),
        ("（笑）你好", 1),
        ("an (open one", 3),
    ],
)
def test_words_are_counted(text: str, words: int) -> None:
    """Between blanks; by ICU's dictionaries where there are none; sounds and lone signs are no words."""
    assert count_words(text) == words


@given(st.text())
def test_any_text_has_a_count(text: str) -> None:
    """No more words than characters."""
    assert 0 <= count_words(text) <= len(text)


@given(st.lists(st.from_regex(r"[a-z]+(['-][a-z]+)?", fullmatch=True)))
def test_words_with_blanks_are_those_between_blanks(parts: list[str]) -> None:
    """As everybody counts them."""
    assert count_words(" ".join(parts)) == len(parts)
