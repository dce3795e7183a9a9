"""A track's samples lead to room time: through jitter, busy loops, stalls and slow clocks."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.model import SAMPLE_RATE
from agent.core.timeline import Timeline

FRAME = 800
FRAME_SECONDS = FRAME / SAMPLE_RATE


def hear(timeline: Timeline, arrivals: list[float]) -> list[tuple[float, float]]:
    """Frames of 50 ms that arrive at these room times; the spans reported as missing."""
    missing = (timeline.heard_frame(FRAME, now) for now in arrivals)
    return [span for span in missing if span]


def steady(first: float, count: int, frame_seconds: float = FRAME_SECONDS) -> list[float]:
    """Arrivals of `count` frames, the first at `first`."""
    return [first + index * frame_seconds for index in range(count)]


def test_nothing_heard_is_time_zero() -> None:
    """Before the first frame there is no room time to tell."""
    assert Timeline().room_time(100) == Timeline().end_time(0) == 0.0


def test_first_frame_ends_when_it_arrives() -> None:
    """The first sample was spoken one frame before the frame was received."""
    timeline = Timeline()
    hear(timeline, [10.0])
    assert timeline.room_time(0) == pytest.approx(9.95)
    assert timeline.end_time(FRAME) == pytest.approx(10.0)


def test_late_first_frame_is_corrected() -> None:
    """A first frame that was delayed by 0.3 s does not shift the whole track."""
    timeline = Timeline()
    hear(timeline, [10.3, *steady(10.05, 20)])
    assert timeline.room_time(0) == pytest.approx(9.95)


def test_jitter_does_not_move_the_track() -> None:
    """Frames late by up to 0.1 s leave all times within 10 ms."""
    timeline, rng = Timeline(), random.Random(1)
    assert hear(timeline, [now + rng.uniform(0, 0.1) for now in steady(5.0, 2400)]) == []
    for sample in range(0, timeline.heard, SAMPLE_RATE):
        assert timeline.room_time(sample) == pytest.approx(4.95 + sample / SAMPLE_RATE, abs=0.01)


def test_stall_is_missing_and_moves_what_follows() -> None:
    """Frames stay away for 3 s: these are reported as missing, and what follows lies after them."""
    timeline = Timeline()
    missing = hear(timeline, [*steady(1.0, 20), *steady(5.0, 20)])
    assert missing == [(pytest.approx(1.95), pytest.approx(4.95))]
    assert timeline.end_time(20 * FRAME) == pytest.approx(1.95)
    assert timeline.room_time(20 * FRAME) == pytest.approx(4.95)


def test_stall_is_believed_before_a_word_can_be_answered() -> None:
    """Half a second after a stall its words already have their right times."""
    timeline = Timeline()
    hear(timeline, [*steady(1.0, 20), *steady(12.0, 10)])
    assert timeline.room_time(20 * FRAME) == pytest.approx(11.95)


@pytest.mark.parametrize("busy_seconds", [0.6, 2.0, 10.0])
def test_backlog_of_a_busy_loop_is_no_stall(busy_seconds: float) -> None:
    """A loop that was blocked works off its queue: nothing is missing, nothing moves."""
    timeline = Timeline()
    backlog = round(busy_seconds / FRAME_SECONDS)
    resumed = 1.0 + 19 * FRAME_SECONDS + busy_seconds
    arrivals = [*steady(1.0, 20), *steady(resumed, backlog, 0.002), *steady(resumed + 0.05, 40)]
    assert hear(timeline, arrivals) == []
    assert timeline.room_time(0) == pytest.approx(0.95, abs=1e-6)
    assert timeline.room_time(timeline.heard) == pytest.approx(0.95 + timeline.heard / SAMPLE_RATE, abs=0.001)


def test_stall_just_before_the_end_is_believed() -> None:
    """No frame follows that could show it to be a delay."""
    timeline = Timeline()
    assert hear(timeline, [*steady(1.0, 20), *steady(5.0, 3)]) == []
    assert timeline.end() == (pytest.approx(1.95), pytest.approx(4.95))
    assert timeline.room_time(20 * FRAME) == pytest.approx(4.95)
    assert timeline.end() is None


def test_backlog_just_before_the_end_is_not() -> None:
    """The last frames came all at once."""
    timeline = Timeline()
    hear(timeline, [*steady(1.0, 20), *steady(4.0, 5, 0.001)])
    assert timeline.end() is None


def test_stall_that_was_a_delay_is_undone() -> None:
    """Frames come 2 s late for 3 s and then catch up: the old times hold again."""
    timeline = Timeline()
    hear(timeline, [*steady(1.0, 20), *steady(4.0, 60), *([7.0] * 40), *steady(7.0, 20)])
    times = [timeline.room_time(sample) for sample in range(0, timeline.heard, FRAME)]
    assert times == sorted(times)
    assert timeline.room_time(timeline.heard) == pytest.approx(0.95 + timeline.heard / SAMPLE_RATE, abs=0.06)


def test_times_rise_when_both_the_start_and_a_delay_are_undone() -> None:
    """The first frames were late too: the catch-up shows an origin before all that were believed."""
    timeline = Timeline()
    hear(timeline, [*steady(1.1, 20), *steady(4.0, 60), *([7.0] * 40), *steady(6.9, 20)])
    times = [timeline.room_time(sample) for sample in range(0, timeline.heard, FRAME)]
    assert times == sorted(times)


@pytest.mark.parametrize("parts_per_million", [-200, -50, 50, 200])
def test_two_hours_of_drift_are_followed(parts_per_million: int) -> None:
    """A clock that runs fast or slow is off by 1.4 s after two hours; times are off by 20 ms at most."""
    timeline = Timeline()
    pace = FRAME_SECONDS * (1 + parts_per_million / 1e6)
    assert hear(timeline, steady(1.0, 2 * 3600 * 20, pace)) == []
    spoken_at = 1.0 + (timeline.heard // FRAME - 1) * pace
    assert timeline.end_time(timeline.heard) == pytest.approx(spoken_at, abs=0.02)
    if parts_per_million > 0:
        assert timeline.room_time(3600 * SAMPLE_RATE) == pytest.approx(
            0.95 + 3600 / FRAME_SECONDS * pace, abs=0.02
        )


def test_small_loss_is_followed() -> None:
    """A loss of 0.3 s is too little to be told from lateness: nothing is reported, the times are right."""
    timeline = Timeline()
    assert hear(timeline, [*steady(1.0, 100), *steady(6.3, 22)]) == []
    assert timeline.end_time(timeline.heard) == pytest.approx(6.3 + 21 * FRAME_SECONDS)
    assert timeline.end_time(100 * FRAME) == pytest.approx(1.0 + 99 * FRAME_SECONDS)


def test_smallest_loss_is_followed_too() -> None:
    """A loss of one frame is followed after a while."""
    timeline = Timeline()
    assert hear(timeline, [*steady(1.0, 100), *steady(6.05, 201)]) == []
    assert timeline.end_time(timeline.heard) == pytest.approx(16.05)


delays = st.lists(st.one_of(st.floats(0, 0.2), st.floats(0, 5), st.just(0.0)), min_size=1, max_size=300)


@given(delays)
def test_times_rise_with_samples(waits: list[float]) -> None:
    """Whatever the arrivals, a later sample never lies before an earlier one."""
    timeline, now = Timeline(), 0.0
    for wait in waits:
        now += wait
        timeline.heard_frame(FRAME, now)
    times = [timeline.room_time(sample) for sample in range(0, timeline.heard, FRAME // 2)]
    assert times == sorted(times)
    ends = [timeline.end_time(sample) for sample in range(1, timeline.heard, FRAME // 2)]
    assert ends == sorted(ends)


@given(delays)
def test_no_sample_lies_after_its_arrival(waits: list[float]) -> None:
    """A frame may be delayed, never hurried: its end is not later than its arrival."""
    timeline, now = Timeline(), 0.0
    for wait in waits:
        now += wait
        timeline.heard_frame(FRAME, now)
        assert timeline.end_time(timeline.heard) <= now + 1e-6


@given(delays)
def test_missing_spans_lie_in_order(waits: list[float]) -> None:
    """Each missing span is positive and ends before the frame that proved it came."""
    timeline, now = Timeline(), 0.0
    for wait in waits:
        now += wait
        span = timeline.heard_frame(FRAME, now)
        assert span is None or span[0] < span[1] <= now


def test_audio_that_was_held_back_is_as_old_as_it_is() -> None:
    """It comes at its pace and is a second old: known half a second later, and less as the buffer empties."""
    timeline = Timeline()
    hear(timeline, steady(10.0, 40))
    before = timeline.room_time(20 * FRAME)
    timeline.lagging(1.0, 0.5)
    assert timeline.room_time(20 * FRAME) == before
    assert timeline.room_time(30 * FRAME) == pytest.approx(9.95 + 30 * FRAME_SECONDS - 1.0)
    hear(timeline, steady(12.0, 40))
    timeline.lagging(0.6, 0.5)
    timeline.lagging(0.61, 0.5)
    assert timeline.room_time(60 * FRAME) == pytest.approx(9.95 + 60 * FRAME_SECONDS - 1.0)
    assert timeline.room_time(75 * FRAME) == pytest.approx(9.95 + 75 * FRAME_SECONDS - 0.6)
    timeline.lagging(0.0, 0.5)
    hear(timeline, steady(14.0, 10))
    assert timeline.room_time(85 * FRAME) == pytest.approx(9.95 + 85 * FRAME_SECONDS)
