"""What a session has said: doubles are known, and answers without a place are counted with care."""

from __future__ import annotations

from agent.core.answers import Answer, Token
from agent.core.gate import Frame
from agent.core.matching import Span
from agent.core.replies import REMEMBERED, Replies
from agent.core.utterance import Utterance

HELLO = Answer("hello", (Token("hello", 0.2, 0.6),))


def utterance(position: int = 0) -> Utterance:
    """A second of audio, sent behind `position` samples."""
    one = Utterance(0, [Frame(0, bytes(32_000))], 16_000)
    one.next_frame(position)
    return one


def test_told_and_rest_of_an_answered_utterance() -> None:
    """Its words are known up to the last one."""
    replies = Replies()
    replies.tell(utterance(16_000), 1.6, HELLO)
    assert (replies.told, replies.rests) == ([Span(1, 1.6)], [Span(1.6, 2)])
    assert replies.last_text == "hello"


def test_words_known_before_or_behind_the_utterance_are_brought_inside() -> None:
    """Times that are off make no negative stretch."""
    replies = Replies()
    replies.tell(utterance(16_000), 0.5, HELLO)
    replies.tell(utterance(16_000), 9.0, None)
    assert replies.told == [Span(1, 1), Span(1, 9)]
    assert replies.rests == [Span(1, 2), Span(9, 9)]


def test_more_of_an_utterance_moves_its_rest() -> None:
    """What was the rest is told now."""
    replies = Replies()
    one = utterance()
    replies.tell(one, 0.2, HELLO)
    assert replies.tell_rest(0, 0.8, Answer("there")) is one
    assert replies.rests == [Span(0.8, 1)]


def test_exact_copy_is_known() -> None:
    """The same text at another time is another answer."""
    replies = Replies()
    replies.tell(utterance(), 0.6, HELLO)
    assert replies.is_copy(Answer("hello", (Token("hello", 0.2, 0.6),)))
    assert not replies.is_copy(Answer("hello", (Token("hello", 5.2, 5.6),)))


def test_memory_is_bounded() -> None:
    """A session of hours remembers its last answers only."""
    replies = Replies()
    for index in range(REMEMBERED + 10):
        replies.tell(utterance(), 0.6, Answer(str(index)))
    assert len(replies.told) == REMEMBERED
    assert not replies.is_copy(Answer("0"))


def test_plain_copy_waits_for_a_second() -> None:
    """Its better copy usually comes at once."""
    replies = Replies()
    replies.keep_plain("hello", 5.0)
    assert replies.due(1) == 6.0
    assert replies.take(1, 5.9) == []
    assert replies.take(1, 6.0) == [Answer("hello")]
    assert replies.due(1) is None


def test_late_times_of_a_plain_copy_that_was_taken_are_a_copy() -> None:
    """Once: the next answer of the same text may be somebody saying it again."""
    replies = Replies()
    replies.keep_plain("hello", 5.0)
    replies.take(1, 6.0)
    assert replies.is_copy(HELLO)
    assert replies.is_copy(HELLO)
    assert not replies.is_copy(Answer("hello", (Token("hello", 5.2, 5.6),)))


def test_answers_are_taken_only_when_all_are_there() -> None:
    """Two wait for one answer: whose is it?"""
    replies = Replies()
    replies.keep_final(Answer("one"), 1.0)
    assert replies.due(2) is None
    assert replies.take(2, 9.0) == []
    replies.keep_final(Answer("two"), 2.0)
    assert replies.take(2, 2.0) == [Answer("one"), Answer("two")]


def test_of_too_many_answers_the_last_ones_count() -> None:
    """What is too much came first: a double of something earlier."""
    replies = Replies()
    replies.keep_plain("old", 1.0)
    replies.keep_plain("new", 1.5)
    assert replies.take(1, 2.5) == [Answer("new")]


def test_nothing_is_due_when_nobody_waits() -> None:
    """A copy is worth nothing without an utterance."""
    replies = Replies()
    replies.keep_plain("hello", 1.0)
    assert replies.due(0) is None
    assert replies.take(0, 9.0) == []


def test_known_texts_are_kept_out() -> None:
    """A text that was answered, or waits already, is a double; two empty answers may be two."""
    replies = Replies()
    replies.tell(utterance(), 0.6, HELLO)
    replies.keep_plain("hello", 1.0)
    replies.keep_final(Answer("hello"), 1.0)
    assert replies.due(1) is None
    replies.keep_plain("more", 1.0)
    replies.keep_plain("more", 1.0)
    assert replies.due(2) is None
    replies.keep_final(Answer(""), 1.0)
    replies.keep_final(Answer(""), 1.0)
    assert replies.due(3) == 2.0


def test_placed_answer_gives_what_came_before_it_to_the_older_ones() -> None:
    """All of them, or nobody knows."""
    replies = Replies()
    replies.keep_plain("one", 1.0)
    replies.keep_plain("hello", 1.0)
    assert replies.take_older(HELLO, 1) == [Answer("one")]
    replies.keep_plain("two", 1.0)
    assert replies.take_older(HELLO, 2) == []
    assert replies.due(1) is None


def test_given_up_utterance_clears_what_has_no_place() -> None:
    """Counting on would give one utterance's answer to another."""
    replies = Replies()
    replies.keep_plain("one", 1.0)
    replies.tell(utterance(), 1.0, None)
    assert replies.due(1) is None
    assert replies.last_text == ""
