"""Room time in clocks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.exports.clock import clock, milliseconds, timestamp
from agent.core.fields import seconds


@given(st.floats(0, 1e6))
def test_milliseconds_are_those_of_json(room_time: float) -> None:
    """One rounding for all formats."""
    assert milliseconds(room_time) == round(seconds(room_time) * 1000)
    assert abs(milliseconds(room_time) - room_time * 1000) <= 0.5 + 1e-6


@pytest.mark.parametrize("room_time", [float("nan"), float("inf"), float("-inf"), -0.001, -7.0])
def test_what_is_no_time_after_the_creation_is_its_beginning(room_time: float) -> None:
    """Never a negative clock."""
    assert milliseconds(room_time) == 0
    assert clock(room_time) == "00:00:00"


@given(st.integers(0, 10**10))
def test_a_timestamp_has_three_digits_after_its_mark(at_ms: int) -> None:
    """Never `,1000`, never 60 seconds."""
    hours, minutes, rest = timestamp(at_ms, ",").split(":")
    whole, _, thousandths = rest.partition(",")
    assert len(thousandths) == 3
    assert len(minutes) == len(whole) == 2
    assert ((int(hours) * 60 + int(minutes)) * 60 + int(whole)) * 1000 + int(thousandths) == at_ms
    assert int(minutes) < 60
    assert int(whole) < 60
