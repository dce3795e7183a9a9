"""Room time from the server's own times and the monotonic clock."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.clock import HANDSHAKES_SECONDS, Joining, RoomClock

CREATED = datetime(2026, 11, 2, 9, tzinfo=UTC)


def clock_at(monkeypatch: pytest.MonkeyPatch, monotonic: float, wall: float) -> None:
    """Set the host's clocks."""
    monkeypatch.setattr(time, "monotonic", lambda: monotonic)
    monkeypatch.setattr(time, "time", lambda: wall)


@pytest.mark.parametrize("wrong_by", [-86_400.0, -2.0, 0.0, 2.0])
def test_the_wall_clock_of_the_host_does_not_matter(monkeypatch: pytest.MonkeyPatch, wrong_by: float) -> None:
    """The room was 30 s old when we joined it; a second later it is 31 s old."""
    clock_at(monkeypatch, 501.0, CREATED.timestamp() + 31.0 + wrong_by)
    clock = RoomClock(CREATED, CREATED + timedelta(seconds=30), Joining(500.0, 500.0))
    assert clock.now() == pytest.approx(31.0)
    assert clock.date() == CREATED + timedelta(seconds=31)
    assert clock.monotonic(40.0) == pytest.approx(510.0)


@pytest.mark.parametrize(
    ("one_way", "before", "after"),
    [
        (0.0, 0.032, 0.05),
        (0.02, 0.152, 0.232),
        (0.075, 0.274, 0.749),
        (0.15, 0.548, 1.133),
        (0.15, 0.479, 1.202),
    ],
)
def test_a_hand_over_to_a_slow_host_shifts_no_times(one_way: float, before: float, after: float) -> None:
    """Connection times as measured on a far host, in seconds before and after the server's `joined_at`."""
    near = RoomClock(CREATED, CREATED + timedelta(seconds=30), Joining(100.0, 100.0))
    far = RoomClock(CREATED, CREATED + timedelta(seconds=60), Joining(130.0 - before, 130.0 + after))
    assert abs(near.monotonic(70.0) - far.monotonic(70.0)) <= 0.15, one_way


def test_a_failed_first_attempt_shifts_no_times() -> None:
    """The connection took ten seconds, because its first attempt was not answered."""
    joining = Joining(90.0, 100.0)
    assert joining.moment == 100.0 - HANDSHAKES_SECONDS


@given(st.floats(0, 1e6), st.floats(0, 20), st.booleans())
def test_the_moment_lies_within_the_joining(asked: float, seconds: float, tls: bool) -> None:
    """Never before the request, nor after the connection."""
    assert asked <= Joining(asked, asked + seconds, tls).moment <= asked + seconds


@pytest.mark.parametrize("wrong_by", [-2.0, 0.0])
def test_room_time_is_never_below_0(monkeypatch: pytest.MonkeyPatch, wrong_by: float) -> None:
    """Two nodes of the server may disagree, and an old server does not say when we joined."""
    clock_at(monkeypatch, 500.0, CREATED.timestamp() + wrong_by)
    joined_at = CREATED + timedelta(seconds=wrong_by)
    assert RoomClock(CREATED, joined_at, Joining(500.0, 500.0)).now() == 0.0
    assert RoomClock(CREATED, joined_at, Joining(499.0, 502.0)).now() == 0.0
    assert RoomClock(CREATED, None, Joining(500.0, 500.0)).now() >= 0.0
