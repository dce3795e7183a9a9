"""What is missed of a track between its announcement and its first frame."""

from __future__ import annotations

from agent.core.model import Gap, Reason, Speaker
from agent.core.offers import Offers

ANNA, BEN = Speaker("anna", label="Anna"), Speaker("ben", label="Ben")


def test_a_track_that_is_received_tells_since_when_it_was_offered() -> None:
    """Once; an announcement that is repeated after a reconnect changes nothing."""
    offers = Offers()
    offers.offer("TR_1", ANNA, False, 1.0)
    offers.offer("TR_1", ANNA, False, 2.0)
    assert offers.receive("TR_1") == 1.0
    assert offers.receive("TR_1") is None
    assert offers.end("TR_1", 9.0) is None


def test_a_track_that_is_over_before_it_was_received() -> None:
    """All of it is missing."""
    offers = Offers()
    offers.offer("TR_1", ANNA, False, 1.0)
    offers.offer("TR_2", BEN, False, 1.0)
    assert offers.of("anna") == ["TR_1"]
    assert offers.all == ["TR_1", "TR_2"]
    assert offers.end("TR_1", 2.0) == Gap(ANNA, "TR_1", 1.0, 2.0, Reason.STALLED)
    assert offers.end("TR_1", 2.0) is None
    assert offers.end("TR_2", 1.25) is None, "too short to miss a word"


def test_a_muted_track_misses_nothing() -> None:
    """Until it is unmuted."""
    offers = Offers()
    offers.offer("TR_1", ANNA, True, 1.0)
    assert offers.mute("TR_1", False, 5.0) is None
    assert offers.mute("TR_1", True, 6.0) == Gap(ANNA, "TR_1", 5.0, 6.0, Reason.STALLED)
    assert offers.end("TR_1", 9.0) is None
    offers.offer("TR_2", ANNA, True, 1.0)
    assert offers.receive("TR_2") is None
    assert offers.mute("TR_3", True, 1.0) is None
