"""When a supervisor calls a transcriber, from what the store knows."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from agent.core.supervision import (
    DEAD_SECONDS,
    FIRST_WAIT_SECONDS,
    GRACE_SECONDS,
    LONGEST_WAIT_SECONDS,
    START_SECONDS,
    Watched,
    needs_call,
    wait_after,
)

OLD = 600.0
"""Seconds: a room of which LiveKit has asked long ago."""

ages = st.none() | st.floats(0, 200)
states = st.builds(Watched, ages, ages, ages, ages, ages, st.integers(0, 50), st.integers(0))


def test_a_beating_heart_needs_nobody() -> None:
    """A room whose transcriber lives is left alone, whatever happened before."""
    assert not needs_call(Watched(beat_age=0.9, call_age=100, calls=3), OLD)


def test_a_still_heart_is_a_dead_one() -> None:
    """Three beats missed: a successor is called at once."""
    assert not needs_call(Watched(beat_age=DEAD_SECONDS), OLD)
    assert needs_call(Watched(beat_age=DEAD_SECONDS + 0.1), OLD)


def test_one_that_leaves_is_replaced_while_it_still_beats() -> None:
    """A transcriber that hands over stays until its successor is there; the call is made at once."""
    assert needs_call(Watched(beat_age=0.2, leaving_age=0.1), OLD)
    assert needs_call(Watched(beat_age=None, leaving_age=0.1), OLD)


def test_a_young_room_is_livekit_s_task() -> None:
    """LiveKit asks workers as a room comes to be; a supervisor that is as quick would bring a second job."""
    assert not needs_call(Watched(), GRACE_SECONDS - 0.1)
    assert needs_call(Watched(), GRACE_SECONDS)


def test_a_job_that_starts_slowly_is_not_missing() -> None:
    """A worker has taken the job: it has its time, and then another one is called."""
    assert not needs_call(Watched(coming_age=START_SECONDS - 1), OLD)
    assert not needs_call(Watched(beat_age=20, coming_age=START_SECONDS - 1), OLD)
    assert needs_call(Watched(coming_age=START_SECONDS), OLD)


def test_the_dead_one_s_own_coming_counts_no_more() -> None:
    """A job that died soon after it began is replaced as quickly as an old one."""
    assert needs_call(Watched(beat_age=4, coming_age=6, call_age=7, calls=1), OLD)


def test_unanswered_calls_become_rare() -> None:
    """Each call in vain doubles the wait, up to a limit."""
    assert [wait_after(tries) for tries in range(6)] == [0, 3, 6, 12, 24, LONGEST_WAIT_SECONDS]
    assert not needs_call(Watched(beat_age=40, call_age=FIRST_WAIT_SECONDS - 0.1, calls=1), OLD)
    assert needs_call(Watched(beat_age=40, call_age=FIRST_WAIT_SECONDS, calls=1), OLD)
    assert not needs_call(Watched(beat_age=40, call_age=23, calls=4), OLD)


def test_jobs_that_die_at_once_are_called_rarely() -> None:
    """A transcriber that crashes as it begins counts as a call in vain: no crash every few seconds."""
    crashed = Watched(beat_age=4, call_age=5.5, calls=3)
    assert crashed.tries == 3
    assert not needs_call(crashed, OLD)


def test_a_steady_one_s_successor_is_called_at_once() -> None:
    """Restarts of one worker after the other: calls that were answered well do not slow the next one."""
    assert Watched(beat_age=0.1, leaving_age=0.5, call_age=30, calls=4).tries == 0
    assert needs_call(Watched(beat_age=0.1, leaving_age=0.5, call_age=30, calls=4), OLD)


def test_the_one_that_leaves_sees_its_successor() -> None:
    """Only an arrival after the announcement is its successor's."""
    assert Watched(beat_age=0, leaving_age=2, arrived_age=1).succeeded
    assert not Watched(beat_age=0, leaving_age=2, arrived_age=3).succeeded
    assert not Watched(beat_age=0, arrived_age=1).succeeded


@given(states, st.floats(0, 1000))
def test_nobody_is_called_twice(watched: Watched, room_age: float) -> None:
    """Right after a call, nobody calls again, whatever the state was before."""
    if needs_call(watched, room_age):
        called = replace(watched, call_age=0.0, calls=watched.tries + 1)
        assert not needs_call(called, room_age + 1)


@given(states, st.floats(0, 1000))
def test_never_where_a_transcriber_stays(watched: Watched, room_age: float) -> None:
    """A room that is served, or soon will be, is not called for."""
    if watched.served or watched.expected:
        assert not needs_call(watched, room_age)


@given(states, st.floats(0, 1000))
def test_every_room_gets_one_in_the_end(watched: Watched, room_age: float) -> None:
    """If nothing more happens, each room without a transcriber is called for within half a minute."""

    def later(age: float | None) -> float | None:
        return None if age is None else age + LONGEST_WAIT_SECONDS

    aged = replace(
        watched,
        beat_age=later(watched.beat_age),
        leaving_age=later(watched.leaving_age),
        coming_age=later(watched.coming_age),
        arrived_age=later(watched.arrived_age),
        call_age=later(watched.call_age),
    )
    assert needs_call(aged, room_age + LONGEST_WAIT_SECONDS)


def test_an_erased_session_gets_no_transcriber() -> None:
    """Nothing more of it is to be written down, however long nobody has transcribed it."""
    assert needs_call(Watched(beat_age=100), OLD)
    assert not needs_call(Watched(beat_age=100, erased=True), OLD)
    assert not needs_call(Watched(erased=True), OLD)
