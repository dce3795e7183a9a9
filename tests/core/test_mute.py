"""A mute is heeded a moment after it was announced, and frames that stay away in it are not missing."""

from __future__ import annotations

from agent.core.mute import GRACE_SECONDS, Mute


def test_audio_that_was_on_its_way_is_heard() -> None:
    """Up to 0.3 s after the announcement; never while it is not muted."""
    mute = Mute()
    assert not mute.silences(1e9)
    assert mute.cut_at() is None
    mute.begin(10.0)
    assert not mute.silences(10.0 + GRACE_SECONDS)
    assert mute.silences(10.01 + GRACE_SECONDS)
    assert mute.cut_at() == 10.0 + GRACE_SECONDS


def test_a_second_announcement_changes_nothing() -> None:
    """Neither of a mute nor of its end."""
    mute = Mute()
    mute.begin(10.0)
    mute.begin(20.0)
    assert mute.cut_at() == 10.0 + GRACE_SECONDS
    assert mute.end(30.0)
    assert not mute.end(31.0)
    assert mute.cut_at() is None


def test_what_stays_away_in_a_mute_is_not_missing() -> None:
    """What stays away before it or after it is, when it is long enough to matter."""
    mute = Mute()
    assert mute.missing(5.0, 8.0) == [(5.0, 8.0)]
    mute.begin(10.0)
    assert mute.missing(12.0, 20.0) == []
    assert mute.missing(8.0, 20.0) == [(8.0, 10.0)]
    mute.end(30.0)
    assert mute.missing(9.0, 33.0) == [(9.0, 10.0), (30.0, 33.0)]
    assert mute.missing(9.9, 30.1) == []
