"""A status when the recognizer fails, another when it is back, and none for what is mended at once."""

from __future__ import annotations

from agent.core.health import MAX_DETAIL, OPENING_SECONDS, TROUBLE_SECONDS, Health
from agent.core.model import Reason, Speaker, State, Status

ANN = Speaker("ann")
LOST = Status(State.DEGRADED, Reason.RECOGNIZER_UNREACHABLE, ANN, "HTTP 503")


def lost(health: Health, now: float) -> Status | None:
    return health.fault(Reason.RECOGNIZER_UNREACHABLE, now, retryable=True, detail="HTTP 503")


def test_short_fault_is_not_told() -> None:
    """Mended within 1.5 s: readers hear nothing."""
    health = Health(ANN)
    assert lost(health, 10.0) is None
    assert health.due() == 10.0 + TROUBLE_SECONDS
    assert health.answered() is None
    assert health.due() is None


def test_lasting_fault_is_told_once() -> None:
    """The time counts from the first fault, however often it is tried again."""
    health = Health(ANN)
    lost(health, 10.0)
    lost(health, 11.0)
    assert health.due() == 11.5
    assert health.tell() == LOST
    assert (health.due(), lost(health, 99.0), health.due()) == (None, None, None)


def test_answer_takes_a_told_fault_back() -> None:
    """Listening again."""
    health = Health(ANN)
    lost(health, 10.0)
    health.tell()
    assert health.answered() == Status(State.LISTENING, speaker=ANN)
    assert health.answered() is None


def test_refusal_for_good_is_told_at_once() -> None:
    """Time cannot heal it."""
    health = Health(ANN)
    lost(health, 10.0)
    assert health.fault(Reason.AUTH_ERROR, 10.2, retryable=False, detail="HTTP 401") is None
    assert health.due() == 10.2
    assert health.tell() == Status(State.STOPPED, Reason.AUTH_ERROR, ANN, "HTTP 401")


def test_other_fault_than_the_one_told_is_told() -> None:
    """Readers know why, also when it changes."""
    health = Health(ANN)
    lost(health, 10.0)
    health.tell()
    status = health.fault(Reason.QUOTA_EXCEEDED, 13.0, retryable=False, detail="")
    assert status == Status(State.STOPPED, Reason.QUOTA_EXCEEDED, ANN)


def test_reason_of_a_gap_is_the_fault_there_is() -> None:
    """Without a fault, the caller's."""
    health = Health(ANN)
    assert health.reason(Reason.OVERFLOW) is Reason.OVERFLOW
    lost(health, 1.0)
    assert health.reason(Reason.OVERFLOW) is Reason.RECOGNIZER_UNREACHABLE


def test_long_detail_is_cut() -> None:
    """A provider may answer with a page; a status is a sentence."""
    health = Health(ANN)
    health.fault(Reason.RECOGNIZER_ERROR, 1.0, retryable=False, detail="x" * 100_000)
    assert len(health.tell().detail) == MAX_DETAIL


def test_session_that_is_long_in_opening_is_a_fault() -> None:
    """Nobody refuses anything: it just does not begin. When it works in the end, that is told as well."""
    health = Health(ANN)
    health.opening(10.0)
    assert health.due() == 10.0 + OPENING_SECONDS
    assert health.tell() == Status(
        State.DEGRADED, Reason.RECOGNIZER_UNREACHABLE, ANN, "the recognizer takes long to begin"
    )
    health.opening_over()
    assert health.answered() == Status(State.LISTENING, speaker=ANN)


def test_fault_of_an_earlier_track_is_taken_back_and_not_told_again() -> None:
    """Somebody left while the recognizer was away, and is back with another track."""
    assert Health(ANN, LOST).answered() == Status(State.LISTENING, speaker=ANN)
    health = Health(ANN, LOST)
    assert lost(health, 10.0) is None
    assert health.due() is None


def test_session_that_opens_soon_is_none() -> None:
    """Nor one that is no longer wanted."""
    health = Health(ANN)
    health.opening(10.0)
    health.opening_over()
    assert health.due() is None


def test_fault_counts_from_its_beginning_and_not_from_the_next_try() -> None:
    """A refused session that is being opened again is the same trouble."""
    health = Health(ANN)
    lost(health, 10.0)
    health.opening(10.1)
    assert health.due() == 10.0 + TROUBLE_SECONDS


SLOW = Status(State.DEGRADED, Reason.RECOGNIZER_SLOW, ANN, "the link to the recognizer is slow")


def test_slow_link_is_told_and_taken_back() -> None:
    """Answers go on coming meanwhile and say nothing about it."""
    health = Health(ANN)
    assert health.link_caught_up() is None
    assert health.link_is_slow() == SLOW
    assert health.slow
    assert health.answered() is None
    assert health.reason(Reason.OVERFLOW) is Reason.RECOGNIZER_SLOW
    assert health.link_caught_up() == Status(State.LISTENING, speaker=ANN)
    assert not health.slow


def test_fault_goes_before_a_slow_link() -> None:
    """And the slow link is told again once an answer has come."""
    health = Health(ANN)
    health.link_is_slow()
    fault = lost(health, 10.0)
    assert fault == LOST
    assert health.reason(Reason.OVERFLOW) is Reason.RECOGNIZER_UNREACHABLE
    assert health.answered() == SLOW
    health.fault(Reason.AUTH_ERROR, 20.0, retryable=False, detail="")
    assert health.link_caught_up() is None
    assert health.answered() == Status(State.LISTENING, speaker=ANN)


def test_link_that_gets_slow_during_a_fault_is_told_after_it() -> None:
    """Readers know of one thing at a time."""
    health = Health(ANN)
    lost(health, 10.0)
    health.tell()
    assert health.link_is_slow() is None
    assert health.answered() == SLOW
