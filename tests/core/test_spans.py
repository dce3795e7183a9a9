"""Sets of time."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from agent.core.spans import Span, length, shared, union, within, without

spans = st.lists(st.tuples(st.integers(-5, 30), st.integers(-5, 30)), max_size=6)


def points(found: Iterable[Span]) -> set[int]:
    """Every millisecond in a set, one by one."""
    return {at for start, end in found for at in range(start, end)}


def is_set(found: list[Span]) -> bool:
    """In order, apart, none empty."""
    return all(start < end for start, end in found) and all(
        before[1] < after[0] for before, after in itertools.pairwise(found)
    )


@given(spans, spans)
def test_sets_hold_what_their_names_say(some: list[Span], others: list[Span]) -> None:
    """Checked millisecond by millisecond."""
    here, there = union(some), union(others)
    assert is_set(here)
    assert points(here) == points(some)
    assert length(here) == len(points(some))
    assert points(within(here, there)) == points(some) & points(others)
    assert points(without(here, there)) == points(some) - points(others)


@given(st.lists(spans, max_size=4))
def test_shared_time_is_in_two_sets_at_least(many: list[list[Span]]) -> None:
    """However many cover it."""
    sets = [union(one) for one in many]
    found = shared(sets)
    assert is_set(found)
    everywhere = [at for one in sets for at in points(one)]
    assert points(found) == {at for at in everywhere if everywhere.count(at) >= 2}
