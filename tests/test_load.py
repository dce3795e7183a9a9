"""When a worker refuses a room."""

from __future__ import annotations

from collections.abc import Iterable

from agent.load import LASTING_SECONDS, LoadMeter


def meter_after(loads: Iterable[float], step_seconds: float = 0.5) -> LoadMeter:
    """A meter that has seen `loads`, one each `step_seconds`."""
    now = 0.0
    waiting = list(loads)
    meter = LoadMeter(lambda: waiting.pop(0), lambda: now)
    while waiting:
        meter()
        now += step_seconds
    return meter


def test_a_burst_is_no_reason() -> None:
    """Ten seconds of full load pass: the room is taken."""
    assert not meter_after([0.2] * 20 + [1.0] * 20).full


def test_lasting_load_is_a_reason() -> None:
    """Busy for as long as it is watched: the next worker is asked."""
    assert meter_after([1.0] * 60).full


def test_one_quiet_moment_is_room_enough() -> None:
    """A dip within the watched time takes the room."""
    assert not meter_after([1.0] * 30 + [0.6] + [1.0] * 20).full


def test_a_worker_that_just_started_takes_rooms() -> None:
    """Nothing is known yet, or not for long enough."""
    assert not meter_after([]).full
    assert not meter_after([1.0] * int(LASTING_SECONDS)).full


def test_the_load_itself_is_handed_on() -> None:
    """The server chooses among workers by the load of the moment."""
    assert LoadMeter(lambda: 0.4)() == 0.4
