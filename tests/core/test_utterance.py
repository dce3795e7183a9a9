"""A stretch of speech on the track and on the recognizer session."""

from __future__ import annotations

import pytest

from agent.core.answers import Token
from agent.core.gate import Frame
from agent.core.matching import Span
from agent.core.utterance import Utterance

SECOND = 16_000


def utterance(seconds: int, *, sent: int = 0, position: int = 0) -> Utterance:
    """An utterance at 10 s of the track, in frames of a second, the first ones sent behind `position`."""
    frames = [Frame((10 + index) * SECOND, bytes(2 * SECOND)) for index in range(seconds)]
    one = Utterance(10 * SECOND, frames, seconds * SECOND)
    for _ in range(sent):
        one.next_frame(position)
    return one


def test_position_is_that_of_its_first_frame() -> None:
    """Nothing sent, no place on the session."""
    one = utterance(3)
    assert one.sent_span() is None
    one.next_frame(5 * SECOND)
    one.next_frame(6 * SECOND)
    assert (one.span(), one.sent_span()) == (Span(5, 8), Span(5, 7))


def test_new_session_begins_from_the_start() -> None:
    """Nothing of it was sent there; its first commit is remembered."""
    one = utterance(2, sent=2, position=SECOND)
    one.commit_sent(7.0)
    one.rewind()
    one.commit_sent(9.0)
    assert (one.position, one.sent_frames, one.commit_sent_at, one.first_commit_at) == (None, 0, 9.0, 7.0)


def test_short_utterance_spans_its_padding() -> None:
    """A commit holds at least 0.3 s."""
    one = Utterance(0, [Frame(0, bytes(200))], 100)
    one.next_frame(0)
    assert one.span() == Span(0, 0.3)


def test_token_is_moved_onto_the_track_and_kept_inside() -> None:
    """Session seconds become seconds of the track, clamped to the utterance."""
    one = utterance(3, sent=3, position=5 * SECOND)
    assert one.on_track(Token("x", 5.5, 6)) == Token("x", 10.5, 11)
    assert one.on_track(Token("x", 4.8, 5.2)) == Token("x", 10, pytest.approx(10.2))
    assert one.on_track(Token("x", 9, 8)) == Token("x", 13, 13)


def test_split_cuts_behind_the_frame_of_the_moment() -> None:
    """The first part is over; the rest goes on where it is on the session."""
    one = utterance(5, sent=4, position=SECOND)
    rest = one.split(round(2.5 * SECOND))
    assert rest is not None
    assert (one.start, one.samples, one.committed) == (10 * SECOND, 2 * SECOND, True)
    assert (rest.start, rest.samples, rest.committed) == (12 * SECOND, 3 * SECOND, False)
    assert (rest.position, rest.sent_frames) == (3 * SECOND, 2)


def test_split_keeps_at_least_a_frame_and_no_more_than_was_sent() -> None:
    """A moment before it or behind what was sent is brought inside."""
    early, late = utterance(3, sent=2, position=SECOND), utterance(3, sent=2, position=SECOND)
    early.split(0)
    rest = late.split(100 * SECOND)
    assert (early.samples, late.samples) == (SECOND, 2 * SECOND)
    assert rest is not None
    assert (rest.position, rest.sent_frames) == (None, 0)


def test_split_at_the_end_leaves_no_rest() -> None:
    """All that was sent is all there is."""
    one = utterance(2, sent=2)
    assert one.split(100 * SECOND) is None
    assert one.samples == 2 * SECOND


def test_what_is_told_later_is_another_segment() -> None:
    """Readers never see a final changed."""
    one = Utterance(0, interim="so", revision=3, segment_id="TR-1")
    one.begin_again()
    assert (one.interim, one.revision, one.segment_id) == ("", 0, "")
