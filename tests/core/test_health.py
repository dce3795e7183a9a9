"""A status when the recognizer fails, another when it is back, and none for what is mended at once."""

from __future__ import annotations

from agent.core.health import MAX_DETAIL, TROUBLE_SECONDS, Health
from agent.core.model import Reason, Speaker, State, Status

ANN = Speaker("ann")
LOST = Status(State.DEGRADED, Reason.RECOGNIZER_UNREACHABLE, ANN, "HTTP 503")


def lost(health: Health, now: float) -> Status | None:
    return health.fault(Reason.RECOGNIZER_UNREACHABLE, now, retryable=True, detail="HTTP 503")


def test_short_fault_is_not_told() -> None:
    """Mended within 1.5 s: readers hear nothing."""
    health = Health(ANN)
    assert lost(health, 10.0) is None
    assert health.tick(10.0 + TROUBLE_SECONDS - 0.01) is None
    assert health.answered() is None
    assert health.due() is None


def test_lasting_fault_is_told_once() -> None:
    """The time counts from the first fault, however often it is tried again."""
    health = Health(ANN)
    lost(health, 10.0)
    lost(health, 11.0)
    assert health.due() == 11.5
    assert health.tick(11.5) == LOST
    assert (health.due(), health.tick(99.0), lost(health, 99.0)) == (None, None, None)


def test_answer_takes_a_told_fault_back() -> None:
    """Listening again."""
    health = Health(ANN)
    lost(health, 10.0)
    health.tick(12.0)
    assert health.answered() == Status(State.LISTENING, speaker=ANN)
    assert health.answered() is None


def test_refusal_for_good_is_told_at_once() -> None:
    """Time cannot heal it."""
    health = Health(ANN)
    lost(health, 10.0)
    assert health.fault(Reason.AUTH_ERROR, 10.2, retryable=False, detail="HTTP 401") is None
    assert health.tick(10.2) == Status(State.STOPPED, Reason.AUTH_ERROR, ANN, "HTTP 401")


def test_other_fault_than_the_one_told_is_told() -> None:
    """Readers know why, also when it changes."""
    health = Health(ANN)
    lost(health, 10.0)
    health.tick(12.0)
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
    status = health.tick(1.0)
    assert status is not None
    assert len(status.detail) == MAX_DETAIL
