"""An open recognizer session: the pace it is fed at, how long it is waited for, when it is renewed."""

from __future__ import annotations

import pytest

from agent.core.model import SAMPLE_RATE
from agent.core.upkeep import CATCH_UP_SECONDS, FASTEST, HARD_SECONDS, SLOWEST, SOFT_SECONDS, Upkeep
from agent.core.utterance import Utterance


def opened(session_seconds: float = 0.0) -> Upkeep:
    """A session that was opened at 100 s."""
    upkeep = Upkeep(30.0, 10.0, session_seconds)
    upkeep.opened(100.0)
    return upkeep


def speed(upkeep: Upkeep) -> float:
    """Times real time at which it would be fed now."""
    return upkeep.portion(1e9) / SAMPLE_RATE / CATCH_UP_SECONDS


def committed(at: float, tries: int = 0) -> Utterance:
    """An utterance whose commit has left."""
    return Utterance(0, tries=tries, commit_sent_at=at, commit_left_at=at)


def test_nothing_is_due_while_no_session_is_open() -> None:
    """Before the first one, and after it was closed."""
    upkeep = Upkeep(30.0, 10.0, 600.0)
    for _ in range(2):
        assert upkeep.sends_at is None
        assert upkeep.portion(1e9) == 0
        assert upkeep.renew_at(owes=True) is None
        assert upkeep.idle_at(None) is None
        assert upkeep.answer_due_at(committed(1.0)) is None
        assert not upkeep.is_old(1e9)
        upkeep.opened(100.0)
        upkeep.closed()


def test_what_waits_is_sent_in_portions() -> None:
    """Eight times as fast as it was said; when nothing waits, at once."""
    upkeep = opened()
    assert upkeep.sends_at == 100.0
    assert upkeep.portion(100.0) == FASTEST * 800
    upkeep.sent(6_400, 100.0, behind=True)
    assert upkeep.portion(100.04) == 0
    assert upkeep.portion(100.05) == FASTEST * 800
    upkeep.sent(12_800, 100.05, behind=True)
    assert upkeep.sends_at == pytest.approx(100.15)
    upkeep.sent(0, 100.2, behind=True)
    assert upkeep.sends_at == pytest.approx(100.2 + CATCH_UP_SECONDS)
    upkeep.sent(800, 100.3, behind=False)
    assert upkeep.portion(100.301) > 0


def test_a_provider_that_finds_it_too_fast_is_fed_more_slowly() -> None:
    """Half as fast each time, but faster than speech, and fast again once nothing waits."""
    upkeep = opened()
    speeds = []
    for _ in range(5):
        upkeep.refused_pace()
        upkeep.closed()
        upkeep.opened(101.0)
        speeds.append(speed(upkeep))
    assert speeds == [4, 2, SLOWEST, SLOWEST, SLOWEST]
    upkeep.sent(800, 101.0, behind=False)
    assert speed(upkeep) == FASTEST


def test_a_refusal_in_live_speech_says_nothing_about_the_pace() -> None:
    """Nothing waited, so nothing was sent too fast."""
    upkeep = opened()
    upkeep.sent(800, 100.0, behind=False)
    upkeep.refused_pace()
    assert speed(upkeep) == FASTEST


@pytest.mark.parametrize(
    ("limit", "soft", "hard"), [(600, 600 - SOFT_SECONDS, 600 - HARD_SECONDS), (12, 8, 10)]
)
def test_a_session_is_left_before_its_limit(limit: float, soft: float, hard: float) -> None:
    """When it owes nothing, a while before; when it does, shortly before. A short limit has short margins."""
    upkeep = opened(limit)
    assert upkeep.renew_at(owes=False) == 100 + soft
    assert upkeep.renew_at(owes=True) == 100 + hard
    assert not upkeep.is_old(100 + soft - 0.01)
    assert upkeep.is_old(100 + soft)


def test_without_a_limit_a_session_never_grows_old() -> None:
    """0 is no limit."""
    upkeep = opened()
    assert upkeep.renew_at(owes=True) is None
    assert not upkeep.is_old(1e9)


def test_silence_closes_it() -> None:
    """Counted from the last speech or answer; not while an answer is awaited."""
    upkeep = opened()
    assert upkeep.idle_at(None) == 130.0
    upkeep.used(110.0)
    upkeep.answered(111.0, next_one=True)
    assert upkeep.idle_at(None) == 141.0
    assert upkeep.idle_at(committed(1.0)) is None


def test_the_oldest_is_waited_for_since_it_is_the_oldest() -> None:
    """Answers come in order, so a younger one cannot come before."""
    upkeep = opened()
    assert upkeep.answer_due_at(Utterance(0)) is None
    assert upkeep.answer_due_at(Utterance(0, commit_sent_at=120.0)) is None, "it is still on its way out"
    assert upkeep.answer_due_at(committed(120.0)) == 130.0
    upkeep.answered(125.0, next_one=True)
    assert upkeep.answer_due_at(committed(120.0)) == 135.0
    upkeep.answered(127.0, next_one=False)
    assert upkeep.answer_due_at(committed(120.0)) == 135.0


def test_one_that_was_left_unanswered_is_given_more_time() -> None:
    """A recognizer that needs 12 s for an answer would else never give it."""
    upkeep = opened()
    waits = [(upkeep.answer_due_at(committed(120.0, tries)) or 0.0) - 120.0 for tries in range(5)]
    assert waits == [10, 20, 30, 30, 30]
