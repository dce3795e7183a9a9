"""Outgoing webhooks: what an answer means, when the next try is, what is sent."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core import delivery
from agent.core.delivery import Verdict, body, message_id, pause_seconds, verdict
from agent.core.history import pack_reply
from tests.contract.record import END, gap, window

NOW = datetime(2026, 11, 25, 10, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ((200, 201, 202, 204, 299), Verdict.DELIVERED),
        ((410,), Verdict.GONE),
        ((400, 401, 403, 404, 405, 413, 415, 418, 422, 451, 499), Verdict.REFUSED),
        ((408, 409, 425, 429, 500, 502, 503, 504, 599), Verdict.LATER),
        ((100, 301, 302, 303, 307, 308, 600), Verdict.LATER),
    ],
)
def test_what_an_answer_means(statuses: tuple[int, ...], expected: Verdict) -> None:
    """2xx is delivered; 4xx is no, but for those that say "not now"; all else may change."""
    assert [verdict(status) for status in statuses] == [expected] * len(statuses)


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_pauses_grow_and_have_an_end(failures: int, luck: float) -> None:
    """Twice as long each time, at most five minutes, and never all at the same moment."""
    pause = pause_seconds(failures, luck)
    assert 1.0 <= pause <= 300.0
    assert pause <= pause_seconds(failures + 1, luck)
    assert pause_seconds(failures, 0.0) * 2 == pytest.approx(pause_seconds(failures, 1.0))


def test_the_first_pauses() -> None:
    """About 2, 4, 8 … 256, 300 s."""
    assert [pause_seconds(failures, 1.0) for failures in (1, 2, 3, 8, 9)] == [2.0, 4.0, 8.0, 256.0, 300.0]


def test_what_the_receiver_asks_for_is_kept() -> None:
    """`retry-after` lengthens a pause, never shortens it, and cannot stop delivery for good."""
    assert pause_seconds(1, 1.0, 90.0) == 90.0
    assert pause_seconds(9, 1.0, 90.0) == 300.0
    assert pause_seconds(1, 1.0, 1e12) == delivery.GIVE_UP_SECONDS


@given(st.tuples(st.text(), st.integers(1, 2**62)), st.tuples(st.text(), st.integers(1, 2**62)))
def test_ids_tell_items_apart(one: tuple[str, int], other: tuple[str, int]) -> None:
    """The same item has the same id, another one another; they are fit for a header and for signing."""
    assert (message_id(*one) == message_id(*other)) == (one == other)
    assert message_id(*one).isascii()
    assert "." not in message_id(*one)


def test_a_body_is_the_item_as_history_has_it() -> None:
    """One JSON object with room, session and number, as every reader gets it."""
    for item in (window(), gap(), END):
        reply = json.loads(pack_reply([(7, item)], after=6, last=7, room="a", session="RM_1"))
        assert json.loads(body(item, room="a", session="RM_1", seq=7)) == reply["items"][0]


def test_a_body_is_whole_however_large() -> None:
    """No limit of a data packet holds here."""
    text = "word " * 20_000
    sent = json.loads(body(window(text=text), room="a", session="RM_1", seq=1))
    assert sent["turns"][0]["text"] == text
    assert "part" not in sent
