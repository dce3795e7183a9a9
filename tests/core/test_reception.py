"""Audio that did not arrive is told apart from silence, by the counters of the receiver."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.concealment import LEAST_GAP_SECONDS
from agent.core.reception import SHARE_SECONDS, Arrivals, Damage, Reception

PERIOD = 0.5
PACKET = 0.02
JITTER_BUFFER = 0.04


def report(now: float, holes: Iterable[tuple[float, float]]) -> Arrivals:
    """The counters at `now` when packets came each 20 ms but in the holes."""
    times = [number * PACKET for number in range(1, int(now / PACKET + 1e-9) + 1)]
    came = [at for at in times if not any(start <= at < end for start, end in holes)]
    concealed = sum(max(min(now, end) - start - JITTER_BUFFER, 0.0) for start, end in holes)
    return Arrivals(len(came), concealed, now - came[-1] if came else now)


def missing(damages: Iterable[Damage]) -> list[tuple[float, float]]:
    """Where damage lies that is long enough to be a gap by itself."""
    return [(one.start, one.end) for one in damages if one.seconds >= LEAST_GAP_SECONDS]


def spans(holes: list[tuple[float, float]], until: float, reception: Reception) -> list[tuple[float, float]]:
    """What the reception tells of reports each half second, and of the end."""
    told: list[Damage] = []
    for number in range(1, int(until / PERIOD) + 1):
        told += reception.feed(report(number * PERIOD, holes), number * PERIOD)
    return missing([*told, *reception.stop(until)])


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
        assert reception.feed(report(number * PERIOD, [(2.1, 99.0)]), number * PERIOD) == []
    assert reception.stalled_for(6.0) == pytest.approx(3.9, abs=0.1)
    [(begin, end)] = missing(reception.stop(6.2))
    assert (begin, end) == pytest.approx((2.1, 6.2), abs=0.1)
    assert reception.stop(6.3) == []


def test_losses_here_and_there_are_no_gap() -> None:
    """A packet or two at a time, a fifth of all: audible, not a hole."""
    holes = [(number * 0.2, number * 0.2 + 0.08) for number in range(1, 40)]
    assert spans(holes, 10.0, Reception(0.0)) == []


def test_packets_that_are_rare_in_silence_are_no_gap() -> None:
    """A client that sends next to nothing in silence conceals nothing either."""
    reception = Reception(0.0)
    for number in range(1, 40):
        now = number * PERIOD
        assert reception.feed(Arrivals(number, 0.0, 0.4), now) == []
    assert reception.stalled_for(20.0) == 0.0


def test_a_client_that_was_silent_and_is_gone() -> None:
    """The concealment begins a second after its last packet; the gap begins with that packet."""
    reception = Reception(0.0)
    for number in range(1, 10):
        now = number * PERIOD
        age = max(now - 2.1, 0.0)
        reception.feed(Arrivals(5, max(age - 1.1, 0.0), age), now)
    [(begin, end)] = missing(reception.stop(5.0))
    assert (begin, end) == pytest.approx((2.1, 5.0), abs=0.01)


def test_a_receiver_that_counts_anew_is_no_stall() -> None:
    """After a reconnect the counters begin at zero."""
    reception = Reception(0.0)
    reception.feed(Arrivals(500, 3.0, 0.01), 10.0)
    assert reception.feed(Arrivals(10, 0.0, 0.01), 10.5) == []
    assert reception.feed(Arrivals(35, 0.0, 0.01), 11.0) == []


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
        assert reception.feed(arrivals, 11.0 + number * PERIOD) == []
    assert reception.lag == 0.0
    stalls = reception.feed(Arrivals(200, 2.05, 0.01, emitted_seconds=2.9, buffered_seconds=0.516), 13.0)
    assert reception.lag == pytest.approx(1.0)
    [(begin, end)] = missing(stalls)
    assert (begin, end) == pytest.approx((10.51, 11.6))


def losses(*reports: tuple[int, int]) -> list[Damage]:
    """What is told of (packets lost, times that audio was made up) so far, 20 ms each, every half second."""
    reception = Reception(9.5)
    told: list[Damage] = []
    for number, (lost, concealments) in enumerate([(0, 0), *reports, reports[-1], reports[-1]]):
        arrivals = Arrivals(
            100 + 25 * number - lost,
            0.02 * max(lost, concealments),
            0.01,
            concealments=concealments,
            lost=lost,
        )
        told += reception.feed(arrivals, 10.0 + number * PERIOD)
    return told


@pytest.mark.parametrize("packets", [1, 3, 8])
def test_a_short_hole_is_damage_somewhere_between_two_reports(packets: int) -> None:
    """A resumed connection loses a sixth of a second: too short to be a gap where nobody spoke."""
    [damage] = losses((packets, 1))
    assert (damage.start, damage.end) == (10.0, 10.5)
    assert damage.seconds == pytest.approx(0.02 * packets)


def test_a_hole_is_no_longer_than_what_was_made_up_at_once() -> None:
    """Packets lost one by one lie apart."""
    [damage] = losses((5, 5))
    assert damage.seconds == pytest.approx(0.1)
    reception = Reception(9.5)
    reception.feed(Arrivals(100, 0.0, 0.01), 10.0)
    [damage] = reception.feed(Arrivals(122, 0.4, 0.01, concealments=6, lost=3), 10.5)
    assert damage.seconds == pytest.approx(0.4 - 5 * 0.02)


def test_packets_that_were_lost_are_missing_even_if_little_was_made_up() -> None:
    """A full buffer is stretched instead."""
    reception = Reception(9.5)
    reception.feed(Arrivals(100, 0.0, 0.01), 10.0)
    [damage] = reception.feed(Arrivals(105, 0.1, 0.01, concealments=4, lost=20), 10.5)
    assert damage.seconds == pytest.approx(0.4)


def test_losses_before_a_stall_begins_are_damage_of_their_own() -> None:
    """Packets were lost, came again, and then stayed away."""
    reception = Reception(9.5)
    reception.feed(Arrivals(100, 0.0, 0.01), 10.0)
    [damage] = reception.feed(Arrivals(108, 0.2, 0.2, concealments=2, lost=8), 10.5)
    assert (damage.start, damage.end) == (10.0, 10.5)
    assert reception.received_until() == pytest.approx(10.3)


def test_packets_that_are_only_late_miss_nothing() -> None:
    """They are played late; still, a word may have been torn."""
    [damage] = losses((0, 20))
    assert damage.seconds == 0.0


def test_losses_one_after_the_other_are_damage_each() -> None:
    """Half seconds with losses in each."""
    assert [(one.start, one.end) for one in losses((3, 1), (6, 2))] == [(10.0, 10.5), (10.5, 11.0)]


def test_packets_known_to_be_lost_when_later_ones_come() -> None:
    """The counter of lost packets moves a report after the concealment: a hole of 0.4 s all the same."""
    reception = Reception(9.5)
    reception.feed(Arrivals(100, 0.0, 0.01), 10.0)
    assert reception.feed(Arrivals(105, 0.36, 0.40, concealments=1), 10.5) == []
    stall, rest = reception.feed(Arrivals(125, 0.40, 0.01, concealments=1, lost=20), 11.0)
    assert (stall.start, stall.end) == pytest.approx((10.1, 10.5))
    assert stall.seconds == pytest.approx(0.4)
    assert (rest.start, rest.end, rest.seconds) == (10.5, 11.0, 0.0)


def shares(losses_per_report: Iterable[float], reception: Reception) -> list[float]:
    """The share of damage after each report in which so many seconds were made up."""
    told, concealed = [], 0.0
    for number, seconds in enumerate(losses_per_report):
        concealed += seconds
        lost = round(concealed / 0.02)
        arrivals = Arrivals(1000 * (number + 1), concealed, 0.01, concealments=number, lost=lost)
        reception.feed(arrivals, number * PERIOD)
        told.append(reception.damaged_share())
    return told


def test_lasting_damage_has_a_share_until_it_ends() -> None:
    """A tenth of the audio for 20 s, then none: damaged within seconds, sound after as many."""
    told = shares([0.0] * 20 + [0.05] * 40 + [0.0] * 40, Reception(0.0))
    assert not any(told[:22])
    assert all(told[32:60])
    assert told[59] == pytest.approx(0.1, abs=0.005)
    assert told[-1] == 0.0
    assert sum(before == 0.0 < after for before, after in pairwise(told)) == 1


def test_one_burst_is_no_lasting_damage() -> None:
    """Half a second of it, and nothing more."""
    assert not any(shares([0.0] * 20 + [0.3, 0.2] + [0.0] * 40, Reception(0.0)))


def test_a_stall_is_no_lasting_damage() -> None:
    """It has a status of its own."""
    reception = Reception(0.0)
    for number in range(1, 60):
        reception.feed(report(number * PERIOD, [(5.0, 12.0)]), number * PERIOD)
        assert reception.damaged_share() == 0.0


@given(st.lists(st.floats(0, 0.5), min_size=30, max_size=80))
def test_the_share_is_that_of_the_last_seconds(concealed: list[float]) -> None:
    """Never above 1, and 0 once nothing was concealed for as long as it looks back."""
    told = shares([*concealed, *[0.0] * (round(SHARE_SECONDS / PERIOD) + 2)], Reception(0.0))
    assert all(0 <= share <= 1 for share in told)
    assert told[-1] == 0.0


def test_what_came_after_the_last_report_is_not_known_to_be_received() -> None:
    """A track that is taken away just when nothing comes any more plays what LiveKit made up."""
    reception = Reception(1.0, media_delay=0.05)
    assert reception.received_until() == pytest.approx(0.95)
    reception.feed(Arrivals(25, 0.0, 0.01), 1.5)
    assert reception.received_until() == pytest.approx(1.44)
    assert reception.feed(Arrivals(40, 0.16, 0.25), 2.0) == []
    assert reception.received_until() == pytest.approx(1.70)
    assert missing(reception.stop(2.1)) == []


def test_audio_that_was_only_late_is_no_gap() -> None:
    """It was made up for, and then came after all and is given out: nothing is missing."""
    reception = Reception(0.0)
    reception.feed(Arrivals(100, 0.0, 0.01, emitted_seconds=2.0, buffered_seconds=0.08), 10.0)
    reception.feed(Arrivals(100, 0.46, 0.49, emitted_seconds=2.0, buffered_seconds=0.08), 10.5)
    late = Arrivals(150, 0.66, 0.01, emitted_seconds=2.3, buffered_seconds=0.08 + 0.3 * 0.7)
    assert missing(reception.feed(late, 11.0)) == []
    assert reception.lag == pytest.approx(0.66)
