"""What a recognizer says, as values."""

from __future__ import annotations

import pytest

from agent.core.answers import Answer, Token

HELLO, BLANK, YOU = Token("Hello,", 0, 1), Token(" ", 1, 1.5, spacing=True), Token("you", 1.5, 2)


def test_words_are_what_is_neither_spacing_nor_blank() -> None:
    """A token of blanks is no word, whatever the recognizer calls it."""
    answer = Answer("Hello, you", (HELLO, BLANK, YOU, Token("  ", 2, 3)))
    assert answer.words == (HELLO, YOU)


def test_middle_of_a_token() -> None:
    """A token belongs where its middle lies."""
    assert YOU.middle == 1.75


def test_answer_with_words_in_place_is_timed() -> None:
    """Each word has a start and an end."""
    assert Answer("Hello,", (HELLO,)).timed


@pytest.mark.parametrize(
    "tokens",
    [(), (BLANK,), (HELLO, Token("x", float("nan"), 1)), (Token("x", 0, float("inf")),)],
)
def test_answer_without_words_in_place_is_not_timed(tokens: tuple[Token, ...]) -> None:
    """No words, or one that lies nowhere: the answer says no place."""
    assert not Answer("x", tokens).timed


def test_part_keeps_punctuation_and_blanks() -> None:
    """The text of a part is that of its tokens, without blanks around it."""
    answer = Answer("Hello, you", (HELLO, BLANK, YOU), "en", 0.5)
    assert answer.part([BLANK, YOU]) == Answer("you", (BLANK, YOU), "en", 0.5)
    assert answer.part([HELLO, BLANK]).text == "Hello,"


def test_part_without_spacing_tokens_is_joined_by_blanks() -> None:
    """A recognizer that gives words only still yields readable text."""
    answer = Answer("Hello, you there", (HELLO, YOU, Token("there", 2, 3)))
    assert answer.part([HELLO, YOU]).text == "Hello, you"


def test_whole_part_is_the_answer() -> None:
    """With all of its tokens the text stays as the recognizer wrote it."""
    answer = Answer("Hello ,  you", (HELLO, BLANK, YOU))
    assert answer.part([HELLO, BLANK, YOU]) is answer
