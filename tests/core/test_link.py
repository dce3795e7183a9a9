"""The table of the recognizer session, pair by pair, and its back-off."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core import link as link_module
from agent.core.link import TABLE, Link, LinkEvent, LinkState
from agent.errors import IllegalEvent

PATHS = {
    LinkState.CLOSED: [],
    LinkState.OPENING: [LinkEvent.NEEDED],
    LinkState.OPEN: [LinkEvent.NEEDED, LinkEvent.OPENED],
    LinkState.WAITING: [LinkEvent.NEEDED, LinkEvent.FAILED],
}
"""How a new link gets into each state."""


def link_in(state: LinkState) -> Link:
    link = Link(Random(1))
    for event in PATHS[state]:
        link.feed(event)
    return link


@pytest.mark.parametrize("event", LinkEvent)
@pytest.mark.parametrize("state", LinkState)
def test_every_pair_is_in_the_table_or_illegal(state: LinkState, event: LinkEvent) -> None:
    """A legal event leads where the table says; an illegal one raises with both names."""
    link = link_in(state)
    if (state, event) in TABLE:
        assert link.feed(event) is TABLE[state, event]
        return
    with pytest.raises(IllegalEvent, match=f"{event}.*{state}"):
        link.feed(event)
    assert link.state is state


def test_drawing_names_every_state_and_event() -> None:
    """The drawing in the docstring shows the states and the events of the table."""
    drawing = link_module.__doc__ or ""
    for name in (*LinkState, *(event.name for event in LinkEvent)):
        assert name in drawing


def test_each_opening_has_a_new_number() -> None:
    """Events of an earlier session are known as stale by its number."""
    link = link_in(LinkState.OPEN)
    first = link.number
    link.failed(1.0, retryable=True, retry_after_seconds=None)
    link.feed(LinkEvent.DUE)
    assert link.number == first + 1


def waits(link: Link, count: int, *, retryable: bool = True, asked: float | None = None) -> list[float]:
    """The waits of so many failures, one after another."""
    found = []
    for _ in range(count):
        link.failed(100.0, retryable=retryable, retry_after_seconds=asked)
        assert link.retry_at is not None
        found.append(link.retry_at - 100.0)
        link.feed(LinkEvent.DUE)
    return found


@given(st.randoms())
def test_waits_grow_to_eight_seconds(random: Random) -> None:
    """0.1 s, then twice as long each time, 8 s at most, each up to a quarter longer."""
    link = Link(random)
    link.feed(LinkEvent.NEEDED)
    for wait, least in zip(waits(link, 9), [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 8.0, 8.0], strict=True):
        assert least <= wait + 1e-9
        assert wait <= least * 1.25 + 1e-9


def test_an_answer_makes_the_next_fault_the_first() -> None:
    """After a session that worked, the next try comes at once."""
    link = link_in(LinkState.OPENING)
    waits(link, 6)
    link.answered()
    assert waits(link, 1)[0] <= 0.125


def test_refusal_that_time_cannot_heal_is_probed_slowly() -> None:
    """A wrong key is tried again twice a minute."""
    assert all(30 <= wait <= 37.5 for wait in waits(link_in(LinkState.OPENING), 3, retryable=False))


@pytest.mark.parametrize(("asked", "waited"), [(5.0, 5.0), (3600.0, 60.0), (-1.0, 0.1)])
def test_a_wait_that_was_asked_for_is_kept_within_reason(asked: float, waited: float) -> None:
    """Retry-After is obeyed up to a minute: an hour would lose the whole interview."""
    assert waited <= waits(link_in(LinkState.OPENING), 1, asked=asked)[0] <= 1.25 * waited


def test_links_that_were_asked_to_wait_do_not_come_back_together() -> None:
    """All tracks of all rooms are refused at once, and asked for the same wait."""
    found = []
    for seed in range(20):
        link = Link(Random(seed))
        link.feed(LinkEvent.NEEDED)
        found += waits(link, 1, asked=20.0)
    assert min(found) >= 20
    assert max(found) - min(found) > 2


def test_only_a_waiting_link_has_a_time_for_the_next_try() -> None:
    """Once it is tried again, or no longer needed, nothing is due."""
    link = link_in(LinkState.OPENING)
    link.failed(1.0, retryable=True, retry_after_seconds=None)
    assert link.retry_at is not None
    link.feed(LinkEvent.UNUSED)
    assert link.retry_at is None
