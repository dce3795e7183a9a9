"""Audio that did not arrive is told apart from silence, by the counters of the receiver."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.reception import Arrivals, Reception

PERIOD = 0.5
PACKET = 0.02
JITTER_BUFFER = 0.04


def report(now: float, holes: Iterable[tuple[float, float]]) -> Arrivals:
    """The counters at `now` when packets came each 20 ms but in the holes."""
    times = [number * PACKET for number in range(1, int(now / PACKET + 1e-9) + 1)]
    came = [at for at in times if not any(start <= at < end for start, end in holes)]
    concealed = sum(max(min(now, end) - start - JITTER_BUFFER, 0.0) for start, end in holes)
    return Arrivals(len(came), concealed, now - came[-1] if came else now)


def spans(holes: list[tuple[float, float]], until: float, reception: Reception) -> list[tuple[float, float]]:
    """What the reception tells of reports each half second, and of the end."""
    told = [
        reception.feed(report(number * PERIOD, holes), number * PERIOD)
        for number in range(1, int(until / PERIOD) + 1)
    ]
    told.append(reception.stop(until))
    return [one for one in told if one is not None]


def test_silence_that_arrives_is_no_gap() -> None:
    """Packets come, whatever is in them."""
    reception = Reception(0.0)
    assert spans([], 10.0, reception) == []
    assert reception.stalled_for(10.0) == 0.0


@pytest.mark.parametrize("start", [2.0, 2.1, 2.26, 2.4, 2.49])
@pytest.mark.parametrize("seconds", [0.7, 1.0, 1.7, 8.0])
def test_a_stall_is_told_from_the_last_packet_to_the_first(start: float, seconds: float) -> None:
    """Wherever it begins between two reports, within the tolerance of word times."""
    ((begin, end),) = spans([(start, start + seconds)], 20.0, Reception(0.0))
    assert begin == pytest.approx(start, abs=0.1)
    assert end == pytest.approx(start + seconds, abs=0.1)


def test_times_are_those_of_the_speaker() -> None:
    """Less the time that audio takes to arrive."""
    ((begin, end),) = spans([(2.1, 5.1)], 20.0, Reception(0.0, media_delay=0.05))
    assert begin == pytest.approx(2.05, abs=0.1)
    assert end == pytest.approx(5.05, abs=0.1)


def test_a_stall_that_never_ends_is_told_at_the_end() -> None:
    """A publisher that was killed: until its track is taken away."""
    reception = Reception(0.0)
    for number in range(1, 13):
        assert reception.feed(report(number * PERIOD, [(2.1, 99.0)]), number * PERIOD) is None
    assert reception.stalled_for(6.0) == pytest.approx(3.9, abs=0.1)
    assert reception.stop(6.2) == pytest.approx((2.1, 6.2), abs=0.1)
    assert reception.stop(6.3) is None


def test_losses_here_and_there_are_no_gap() -> None:
    """A packet or two at a time, a fifth of all: audible, not a hole."""
    holes = [(number * 0.2, number * 0.2 + 0.08) for number in range(1, 40)]
    assert spans(holes, 10.0, Reception(0.0)) == []


def test_packets_that_are_rare_in_silence_are_no_gap() -> None:
    """A client that sends next to nothing in silence conceals nothing either."""
    reception = Reception(0.0)
    for number in range(1, 40):
        now = number * PERIOD
        assert reception.feed(Arrivals(number, 0.0, 0.4), now) is None
    assert reception.stalled_for(20.0) == 0.0


def test_a_client_that_was_silent_and_is_gone() -> None:
    """The concealment begins a second after its last packet; the gap begins with that packet."""
    reception = Reception(0.0)
    for number in range(1, 10):
        now = number * PERIOD
        age = max(now - 2.1, 0.0)
        reception.feed(Arrivals(5, max(age - 1.1, 0.0), age), now)
    assert reception.stop(5.0) == pytest.approx((2.1, 5.0), abs=0.01)


def test_a_receiver_that_counts_anew_is_no_stall() -> None:
    """After a reconnect the counters begin at zero."""
    reception = Reception(0.0)
    reception.feed(Arrivals(500, 3.0, 0.01), 10.0)
    assert reception.feed(Arrivals(10, 0.0, 0.01), 10.5) is None
    assert reception.feed(Arrivals(35, 0.0, 0.01), 11.0) is None


@given(st.lists(st.tuples(st.floats(0.7, 5), st.floats(1.2, 5)), max_size=5))
def test_every_stall_is_told_once_and_in_order(parts: list[tuple[float, float]]) -> None:
    """Stalls of 0.7 s and more, a second or more apart: as many gaps, none reaching far beyond its stall."""
    now, holes = 1.0, []
    for hole, rest in parts:
        holes.append((now, now + hole))
        now += hole + rest
    told = spans(holes, now + 2, Reception(0.0))
    assert len(told) == len(holes)
    for (begin, end), (start, until) in zip(told, holes, strict=True):
        assert start - 0.55 <= begin <= start + 0.1
        assert until - 0.1 <= end <= until + 0.55


def test_audio_that_waits_in_the_buffer_is_old() -> None:
    """The network held it back and delivered it at once: the stall was shorter than it seemed."""
    reception = Reception(0.0)
    reception.feed(Arrivals(100, 0.0, 0.01, emitted_seconds=2.0, buffered_seconds=0.08), 10.0)
    reception.feed(Arrivals(125, 0.0, 0.01, emitted_seconds=2.5, buffered_seconds=0.10), 10.5)
    assert reception.lag == 0.0
    for number in range(4):
        made_up = 0.45 + number * PERIOD
        arrivals = Arrivals(125, made_up, made_up + 0.04, emitted_seconds=2.5, buffered_seconds=0.10)
        assert reception.feed(arrivals, 11.0 + number * PERIOD) is None
    assert reception.lag == 0.0
    stall = reception.feed(Arrivals(200, 2.05, 0.01, emitted_seconds=2.9, buffered_seconds=0.516), 13.0)
    assert reception.lag == pytest.approx(1.0)
    assert stall == pytest.approx((10.51, 11.6))


def losses(*reports: tuple[int, int]) -> list[tuple[float, float]]:
    """What is told of (packets lost, times that audio was made up) so far, 20 ms each, every half second."""
    reception = Reception(9.5)
    told = []
    for number, (lost, concealments) in enumerate([(0, 0), *reports, reports[-1], reports[-1]]):
        arrivals = Arrivals(
            100 + 25 * number - lost,
            0.02 * max(lost, concealments),
            0.01,
            concealments=concealments,
            lost=lost,
        )
        told.append(reception.feed(arrivals, 10.0 + number * PERIOD))
    return [one for one in told if one]


@pytest.mark.parametrize("packets", [3, 5, 8])
def test_a_short_hole_is_a_gap_when_packets_were_lost_in_it(packets: int) -> None:
    """A resumed connection loses a sixth of a second, and a word with it."""
    assert losses((packets, 1)) == [(10.0, 10.5)]


@pytest.mark.parametrize(("lost", "concealments"), [(0, 3), (1, 3), (2, 1), (3, 2), (3, 3)])
def test_packets_that_are_late_or_lost_one_by_one_are_no_gap(lost: int, concealments: int) -> None:
    """Late packets are played late; what is around a lost one tells what was in it."""
    assert losses((lost, concealments)) == []


def test_many_packets_lost_one_by_one_are_a_gap() -> None:
    """Nobody knows how near to each other they were."""
    assert losses((4, 4)) == [(10.0, 10.5)]


def test_packets_lost_on_end_at_a_report_are_a_gap_about_it() -> None:
    """They are counted at once and made up for a moment later; and all is told only once."""
    reception = Reception(9.5)
    told = []
    for number, (lost, concealed) in enumerate([(0, 0.0), (3, 0.03), (3, 0.06), (3, 0.06)]):
        arrivals = Arrivals(100 + 25 * number, concealed, 0.01, concealments=int(lost > 0), lost=lost)
        told.append(reception.feed(arrivals, 10.0 + number * PERIOD))
    assert told == [None, None, (10.25, 10.75), None]


def test_a_second_loss_is_told_from_the_first_on() -> None:
    """Half seconds with losses in each."""
    assert losses((3, 1), (6, 2)) == [(10.0, 10.5), (10.5, 11.0)]


def test_what_came_after_the_last_report_is_not_known_to_be_received() -> None:
    """A track that is taken away just when nothing comes any more plays what LiveKit made up."""
    reception = Reception(1.0, media_delay=0.05)
    assert reception.received_until() == pytest.approx(0.95)
    reception.feed(Arrivals(25, 0.0, 0.01), 1.5)
    assert reception.received_until() == pytest.approx(1.44)
    assert reception.feed(Arrivals(40, 0.16, 0.25), 2.0) is None
    assert reception.received_until() == pytest.approx(1.70)
    assert reception.stop(2.1) is None


def test_audio_that_was_only_late_is_no_gap() -> None:
    """It was made up for, and then came after all and is given out: nothing is missing."""
    reception = Reception(0.0)
    reception.feed(Arrivals(100, 0.0, 0.01, emitted_seconds=2.0, buffered_seconds=0.08), 10.0)
    reception.feed(Arrivals(100, 0.46, 0.49, emitted_seconds=2.0, buffered_seconds=0.08), 10.5)
    late = Arrivals(150, 0.66, 0.01, emitted_seconds=2.3, buffered_seconds=0.08 + 0.3 * 0.7)
    assert reception.feed(late, 11.0) is None
    assert reception.lag == pytest.approx(0.66)
