"""What was handed to a session and has not left yet."""

from __future__ import annotations

from agent.core.model import SAMPLE_RATE
from agent.core.transit import CAUGHT_UP_SECONDS, MOST_SECONDS, SLOW_SECONDS, Transit

MOST = round(MOST_SECONDS * SAMPLE_RATE)


def begun() -> Transit:
    """Of a session that reports what has left."""
    transit = Transit()
    transit.begin(tells_left=True)
    return transit


def test_a_session_that_reports_nothing_is_never_waited_for() -> None:
    """All is taken to be sent at once."""
    transit = Transit()
    transit.begin(tells_left=False)
    transit.handed(10 * MOST, 3, 1.0)
    assert transit.room() == MOST
    assert transit.stalled_at(10.0) is transit.slow_at() is None
    assert transit.caught_up(99.0)


def test_audio_under_way_is_bounded() -> None:
    """What has left makes room."""
    transit = begun()
    transit.handed(MOST - 800, 0, 1.0)
    assert transit.room() == 800
    transit.handed(MOST + 800, 0, 1.1)
    assert transit.room() == 0
    transit.left(1600, 0, 2.0)
    assert transit.room() == 800


def test_the_link_stalls_when_nothing_moves() -> None:
    """Each move begins the wait again; so does the first part handed over after a pause."""
    transit = begun()
    transit.handed(800, 0, 1.0)
    assert transit.stalled_at(10.0) == 11.0
    transit.handed(1600, 0, 5.0)
    assert transit.stalled_at(10.0) == 11.0
    transit.left(800, 0, 6.0)
    assert transit.stalled_at(10.0) == 16.0
    transit.left(800, 0, 9.0)
    assert transit.stalled_at(10.0) == 16.0, "the same again is no move"
    transit.left(1600, 0, 9.0)
    assert transit.stalled_at(10.0) is None
    transit.handed(2400, 0, 50.0)
    assert transit.stalled_at(10.0) == 60.0


def test_a_commit_is_under_way_until_it_has_left() -> None:
    """It has no samples of its own."""
    transit = begun()
    transit.handed(800, 1, 1.0)
    transit.left(800, 0, 2.0)
    assert transit.stalled_at(10.0) == 12.0
    transit.left(800, 1, 3.0)
    assert transit.stalled_at(10.0) is None


def test_the_link_is_slow_when_the_oldest_part_takes_long() -> None:
    """And has caught up when none does."""
    transit = begun()
    transit.handed(800, 0, 1.0)
    transit.handed(1600, 0, 2.0)
    assert transit.slow_at() == 1.0 + SLOW_SECONDS
    assert transit.caught_up(1.0)
    assert not transit.caught_up(1.0 + CAUGHT_UP_SECONDS)
    transit.left(800, 0, 2.5)
    assert transit.slow_at() == 2.0 + SLOW_SECONDS
    assert transit.caught_up(2.5)


def test_a_new_session_begins_with_nothing_under_way() -> None:
    """What the old one did not carry is sent again by the ledger."""
    transit = begun()
    transit.handed(MOST, 1, 1.0)
    transit.end()
    assert transit.stalled_at(10.0) is None
    transit.begin(tells_left=True)
    assert transit.room() == MOST
