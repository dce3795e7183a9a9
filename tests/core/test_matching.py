"""Which audio an answer is about, told by the times of its words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.answers import Token
from agent.core.matching import Double, Nowhere, Rest, Span, Waiting, find, share


def words(*spans: tuple[float, float]) -> list[Token]:
    return [Token("x", start, end) for start, end in spans]


A, B, C = Span(0, 2), Span(2, 4), Span(4, 6)


def test_words_inside_a_waiting_utterance_are_its_answer() -> None:
    """The usual case."""
    assert find(words((2.5, 3)), [A, B, C], [], []) == Waiting(1, 1)


@pytest.mark.parametrize("off_seconds", [-0.3, -0.1, 0.0, 0.1, 0.3])
def test_words_near_the_only_waiting_utterance_are_its_answer(off_seconds: float) -> None:
    """Times may be off by 0.3 s, also into audio that was told."""
    assert find(words((2 + off_seconds, 2.2 + off_seconds)), [B], [A], [Span(2, 2)]) == Waiting(0, 0)
    assert find(words((3.8 + off_seconds, 4 + off_seconds)), [B], [], []) == Waiting(0, 0)


def test_words_in_told_words_are_a_double() -> None:
    """Although a waiting utterance is near."""
    assert find(words((0.5, 1), (1.2, 1.9)), [B], [A], [Span(1.9, 2)]) == Double()


def test_words_behind_told_words_are_the_rest() -> None:
    """The utterance was answered up to 0.5 s; this goes on."""
    assert find(words((1.0, 1.5)), [B], [Span(0, 0.5)], [Span(0.5, 2)]) == Rest(0)


def test_answer_that_clearly_reaches_both_is_about_both() -> None:
    """Merged commits; what lies between is answered too."""
    assert find(words((0.5, 1.5), (4.5, 5)), [A, B, C], [], []) == Waiting(0, 2)


def test_word_just_over_the_border_does_not_claim_the_neighbour() -> None:
    """It may be the utterance's own with a time that is a little off."""
    assert find(words((0.5, 1), (1.9, 2.25)), [A, B, C], [], []) == Waiting(0, 0)
    assert find(words((1.8, 2.1), (2.5, 3)), [A, B, C], [], []) == Waiting(1, 1)


def test_last_word_sent_is_clear_up_to_the_end() -> None:
    """Behind the end of what was sent there is nothing that it could belong to."""
    assert find(words((1, 1.5), (3.9, 4)), [A, B], [], []) == Waiting(0, 1)


@pytest.mark.parametrize("moment", [-5.0, 9.0])
def test_words_outside_of_all_audio_are_nowhere(moment: float) -> None:
    """Times before the session, or of audio that was never sent."""
    assert find(words((moment, moment + 0.5)), [A, B], [], []) == Nowhere()
    assert find(words((moment, moment + 0.5)), [], [], []) == Nowhere()


def test_tokens_go_where_their_middle_lies() -> None:
    """Each utterance gets its own; what lies before the first goes to the first."""
    tokens = words((-0.5, -0.1), (1.5, 1.9), (1.9, 2.5), (5, 5.5), (7, 8))
    assert share(tokens, [A, B, C], []) == [tokens[:2], tokens[2:3], tokens[3:]]


def test_told_words_are_left_out() -> None:
    """A merged answer may say again what was told, or given up; near the border it may be new."""
    tokens = words((0.5, 1), (1.8, 1.95), (2.5, 3))
    assert share(tokens, [B], [A]) == [tokens[1:]]


moments = st.floats(-2, 12)
token_lists = st.lists(st.tuples(moments, st.floats(0, 2)), min_size=1, max_size=8).map(
    lambda pairs: [Token("x", start, start + length) for start, length in pairs]
)


@given(token_lists, st.lists(st.floats(0.3, 3), max_size=6), st.integers(0, 6), st.floats(0, 1))
def test_finds_a_place_that_exists(
    tokens: list[Token], lengths: list[float], told_count: int, known: float
) -> None:
    """Whatever the words and the spans, the result names spans that are there, in order."""
    spans, at = [], 0.0
    for length in lengths:
        spans.append(Span(at, at + length))
        at += length
    past, waiting = spans[:told_count], spans[told_count:]
    told = [Span(one.first, one.first + known * (one.last - one.first)) for one in past]
    rests = [Span(one.last, whole.last) for one, whole in zip(told, past, strict=True)]
    match find(tokens, waiting, told, rests):
        case Waiting(first, last):
            assert 0 <= first <= last < len(waiting)
            shares = share(tokens, waiting[first : last + 1], told)
            assert len(shares) == last - first + 1
            assert sum(map(len, shares)) <= len(tokens)
        case Rest(index):
            assert rests[index].last > rests[index].first
