"""One direction of a bad link, by plain numbers."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.bad_link import Conditions, Lane


def lane(conditions: Conditions, seed: int = 1) -> Lane:
    made = Lane(Random(seed))
    made.worsen(conditions, 0.0)
    return made


def arrivals(link: Lane, packets: int, every: float = 0.02, size: int = 100) -> dict[int, float]:
    """Number of each packet that arrives -> when; packet n is sent at n * `every`, and polled each ms."""
    found: dict[int, float] = {}
    sent, now = 0, 0.0
    while sent < packets or link.next_due() is not None:
        while sent < packets and sent * every <= now:
            link.send(sent.to_bytes(4, "big").ljust(size, b"."), now)
            sent += 1
        found |= {int.from_bytes(packet[:4], "big"): now for packet in link.due(now)}
        now = round(now + 0.001, 3)
    return found


def runs(lost: list[bool]) -> list[int]:
    """Lengths of the runs of lost packets."""
    return [len(run) for run in "".join("x" if one else " " for one in lost).split()]


def test_a_good_link_changes_nothing() -> None:
    """Every packet arrives when it is sent, in order."""
    found = arrivals(lane(Conditions()), 50)
    assert list(found) == list(range(50))
    assert all(at == pytest.approx(number * 0.02, abs=0.001) for number, at in found.items())


def test_delay_and_jitter() -> None:
    """150 to 190 ms later, spread over the whole range, and never out of order."""
    found = arrivals(lane(Conditions(delay_seconds=0.15, jitter_seconds=0.04)), 400)
    took = [at - number * 0.02 for number, at in found.items()]
    assert list(found) == list(range(400))
    assert 0.149 <= min(took) < 0.16
    assert 0.18 < max(took) <= 0.192


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_loss_without_bursts(share: float) -> None:
    """Each packet is lost by itself, however many are."""
    link = lane(Conditions(loss=share))
    arrivals(link, 5000, every=0.001)
    assert link.lost / 5000 == pytest.approx(share, rel=0.1)


@pytest.mark.parametrize("burst", [2.0, 6.0])
def test_loss_in_bursts(burst: float) -> None:
    """A tenth is lost, in runs of the wanted mean length."""
    link = lane(Conditions(loss=0.1, burst_packets=burst))
    found = arrivals(link, 20_000, every=0.001)
    lost = [number not in found for number in range(20_000)]
    assert 0.08 < sum(lost) / len(lost) < 0.12
    mean = sum(runs(lost)) / len(runs(lost))
    assert mean == pytest.approx(burst, rel=0.2)
    assert (link.lost, link.carried) == (sum(lost), len(found))


def test_a_cut_lets_nothing_through() -> None:
    """Loss of 1 has no chance in it."""
    assert arrivals(lane(Conditions(loss=1.0, burst_packets=6)), 500) == {}


def test_the_same_seed_loses_the_same_packets() -> None:
    """Chance decides, and can be played again."""
    bad = Conditions(loss=0.3, burst_packets=3)
    assert arrivals(lane(bad), 300) == arrivals(lane(bad), 300)


def test_a_rate_limit_delays_and_then_drops() -> None:
    """40 kbit/s offered to 20 kbit/s: the queue grows to half a second, then half of the packets is lost."""
    link = lane(Conditions(bits_per_second=20_000, queue_seconds=0.5))
    found = arrivals(link, 500)
    delays = [at - number * 0.02 for number, at in found.items()]
    assert max(delays) == pytest.approx(0.54, abs=0.02)
    assert link.carried_bytes * 8 / 10 == pytest.approx(20_000, rel=0.1)
    assert link.lost == 500 - len(found)


def test_a_rate_limit_above_what_is_sent_loses_nothing() -> None:
    """50 kbit/s for 40: each packet takes the time of its bits."""
    found = arrivals(lane(Conditions(bits_per_second=50_000)), 200)
    assert len(found) == 200
    assert max(at - number * 0.02 for number, at in found.items()) < 0.018


def test_a_delay_spike_holds_packets_until_its_end() -> None:
    """What is sent in the first half second of each two seconds arrives at its end."""
    found = arrivals(lane(Conditions(spike_seconds=0.5, spike_every_seconds=2.0)), 200)
    assert [at for number, at in found.items() if number < 25] == [0.5] * 25
    assert found[60] == pytest.approx(1.2)
    assert found[110] == pytest.approx(2.5)


def test_a_stall_holds_packets_once() -> None:
    """`stall` is one spike, now."""
    link = lane(Conditions())
    link.stall(1.0, 0.0)
    found = arrivals(link, 100)
    assert {at for number, at in found.items() if number < 50} == {1.0}
    assert found[60] == pytest.approx(1.2)


def test_what_is_under_way_arrives_after_the_link_has_healed() -> None:
    """And is not overtaken by what is sent then."""
    link = lane(Conditions(delay_seconds=0.5))
    link.send(b"first", 0.0)
    link.worsen(Conditions(), 0.1)
    link.send(b"second", 0.1)
    assert link.due(0.4) == []
    assert link.due(0.5) == [b"first", b"second"]


@pytest.mark.parametrize("bad", [{"loss": 1.1}, {"loss": -0.1}, {"burst_packets": 0.5}])
def test_numbers_without_sense_are_refused(bad: dict[str, float]) -> None:
    """A typing error in a row is found at its start."""
    with pytest.raises(ValueError, match="must be"):
        Conditions(**bad)


@given(
    st.builds(
        Conditions,
        loss=st.floats(0, 0.9),
        burst_packets=st.floats(1, 10),
        delay_seconds=st.floats(0, 0.5),
        jitter_seconds=st.floats(0, 0.5),
        bits_per_second=st.sampled_from([0.0, 10_000.0, 1e6]),
        spike_seconds=st.floats(0, 0.5),
        spike_every_seconds=st.sampled_from([0.0, 0.7]),
    )
)
def test_packets_are_lost_or_arrive_once_in_order(conditions: Conditions) -> None:
    """Whatever the link does."""
    link = lane(conditions)
    found = arrivals(link, 40)
    assert list(found) == sorted(found)
    assert len(found) + link.lost == 40
    assert all(at >= number * 0.02 - 1e-6 for number, at in found.items())
