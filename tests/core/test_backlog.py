"""What waits for the store: in order, bounded, and nothing goes without a trace."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.core.backlog import Backlog, Waiting, same_epoch
from agent.core.model import Gap, Reason, Segment
from tests.contract.record import ADA, LISTENING, gap, segment, window


def said(number: int) -> Segment:
    """A segment of a second's place."""
    return segment("word", float(number))


def test_items_leave_when_they_are_stored() -> None:
    """Numbers count from 1; a batch is the oldest, and stays until it is stored."""
    backlog = Backlog(10)
    assert backlog.empty
    for number in range(1, 6):
        assert backlog.add(said(number), 1).number == number
    assert [one.number for one in backlog.batch(3)] == [1, 2, 3]
    assert [one.number for one in backlog.batch(3)] == [1, 2, 3]
    backlog.stored(3)
    assert [one.number for one in backlog.batch(3)] == [4, 5]
    assert [one.number for one in backlog.in_memory(after=4)] == [5]
    backlog.stored(5)
    assert backlog.empty
    assert backlog.losses() is None


def test_what_is_on_disk_may_leave_memory() -> None:
    """It is to be read from there before what memory holds, and nothing is lost."""
    backlog = Backlog(3)
    for number in range(1, 4):
        backlog.add(said(number), 1)
    backlog.spooled(3)
    for number in range(4, 6):
        backlog.add(said(number), 1)
    assert backlog.on_disk_only
    assert [one.number for one in backlog.unspooled()] == [4, 5]
    backlog.stored(2)
    assert not backlog.on_disk_only
    assert [one.number for one in backlog.batch(9)] == [3, 4, 5]
    assert backlog.losses() is None


def test_what_is_given_up_becomes_a_gap() -> None:
    """From the first to the last that a track has lost, by reason; windows by their ids; all are counted."""
    backlog = Backlog(2)
    other = Segment("SG", 1, True, ADA, "TR_9", "microphone", 50.0, 51.0, "hi")
    for item in (said(3), said(1), window(4), LISTENING, other, gap(7.0), gap(20.0), said(60), said(61)):
        backlog.add(item, 1)
    assert backlog.losses() is None, "no room to say it"
    backlog.stored(9)
    losses = backlog.losses()
    assert losses is not None
    assert losses.count == 7
    assert losses.windows == {4}
    spans = [(one.track_sid, one.start, one.end, one.reason) for one in losses.gaps]
    assert spans == [
        ("TR_1", 1.0, 3.5, Reason.STORE_UNREACHABLE),
        ("TR_9", 50.0, 51.0, Reason.STORE_UNREACHABLE),
        ("TR_2", 7.0, 23.0, Reason.RECOGNIZER_UNREACHABLE),
    ]
    assert backlog.losses() is None, "once"


def test_a_disk_that_gives_nothing_back_is_forgotten() -> None:
    """What memory holds goes on; how much is missing is told."""
    backlog = Backlog(2)
    for number in range(1, 3):
        backlog.add(said(number), 1)
    backlog.spooled(2)
    for number in range(3, 5):
        backlog.add(said(number), 1)
    assert backlog.forget_disk() == 2
    assert not backlog.on_disk_only
    assert [one.number for one in backlog.batch(9)] == [3, 4]
    assert backlog.forget_disk() == 0


def test_a_batch_is_of_one_epoch() -> None:
    """The items of before the opening go by themselves."""
    items = [Waiting(1, 0, LISTENING), Waiting(2, 0, LISTENING), Waiting(3, 5, LISTENING)]
    assert same_epoch(items) == items[:2]
    assert same_epoch(items[2:]) == items[2:]


@given(st.lists(st.sampled_from(["add", "store", "spool"]), max_size=80), st.integers(1, 6))
def test_nothing_goes_without_a_trace(steps: list[str], limit: int) -> None:
    """Whatever happens: each item is stored, in memory, on disk, or inside a gap that is told."""
    backlog = Backlog(limit)
    added, disk, stored = 0, 0, 0
    gaps: list[Gap] = []
    for step in steps:
        if step == "add":
            added += 1
            backlog.add(said(added), 1)
        elif step == "spool":
            waiting = backlog.unspooled()
            disk = waiting[-1].number if waiting else disk
            backlog.spooled(disk)
        elif not backlog.on_disk_only and (batch := backlog.batch(2)):
            stored = batch[-1].number
            backlog.stored(stored)
        assert len(backlog.in_memory()) <= limit
    memory = {one.number for one in backlog.in_memory()}
    backlog.stored(added)
    losses = backlog.losses()
    gaps = list(losses.gaps) if losses else []
    for number in range(1, added + 1):
        lost = any(one.start <= number < one.end for one in gaps)
        assert number <= max(stored, disk) or number in memory or lost
    assert (losses.count if losses else 0) <= added


def test_what_is_erased_is_no_loss() -> None:
    """Nothing waits any more, in memory or on disk, and nothing of it is told; later items count on."""
    backlog = Backlog(2)
    for number in range(1, 6):
        backlog.add(said(number), 1)
        backlog.spooled(2)
    assert backlog.on_disk_only
    backlog.erase()
    assert backlog.empty
    assert not backlog.unspooled()
    assert backlog.losses() is None
    assert backlog.add(said(6), 1).number == 6
    assert [one.number for one in backlog.batch(9)] == [6]
