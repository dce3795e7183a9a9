"""What is recorded and not stored yet, in order: the newest in memory, in trouble all of it on disk.

Memory is bounded. Beyond the bound the oldest item leaves it: to be read from disk later if it is there, else
it is given up. What was said and is given up becomes a gap, a window is to be closed once more, and the
number of all of them is counted; `losses` tells when there is room for that again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from agent.core.model import Gap, Item, Reason, Segment, Window


@dataclass(frozen=True, slots=True)
class Waiting:
    """One item that is not stored yet."""

    number: int
    """Count of the one who records, from 1, whatever number the store will give."""
    epoch: int
    """That under which it was recorded; 0 when the session could not be opened yet."""
    item: Item


@dataclass(frozen=True, slots=True)
class Losses:
    """What was given up since the last time."""

    count: int
    """Items of all types."""
    gaps: tuple[Gap, ...]
    """What was said, or was a gap: one for each track and reason, from the first to the last of it."""
    windows: frozenset[int]
    """window_id of the windows."""


class Backlog:
    """See above. Numbers rise; `stored` and `spooled` say how far the store and the disk have got."""

    def __init__(self, limit: int) -> None:
        """`limit`: items in memory."""
        self._limit = limit
        self._memory: deque[Waiting] = deque()
        self._last = 0
        self._stored = 0
        self._spooled = 0
        self._left_to_disk = 0
        self._lost = 0
        self._lost_gaps: dict[tuple[str, Reason], Gap] = {}
        self._lost_windows: set[int] = set()

    @property
    def empty(self) -> bool:
        """True when everything is stored, or was given up."""
        return not self._memory and not self.on_disk_only

    @property
    def full(self) -> bool:
        """True when memory takes no further item without letting go of one."""
        return len(self._memory) >= self._limit

    @property
    def on_disk_only(self) -> bool:
        """True while the oldest of what waits has to be read from disk."""
        return self._left_to_disk > self._stored

    @property
    def stored_number(self) -> int:
        """Items up to this one are stored."""
        return self._stored

    def add(self, item: Item, epoch: int) -> Waiting:
        """Take in the next item."""
        self._last += 1
        waiting = Waiting(self._last, epoch, item)
        self._memory.append(waiting)
        if len(self._memory) > self._limit:
            oldest = self._memory.popleft()
            if oldest.number <= self._spooled:
                self._left_to_disk = oldest.number
            else:
                self._give_up(oldest.item)
        return waiting

    def in_memory(self, after: int = 0) -> list[Waiting]:
        """What memory holds with a number above `after`."""
        return [one for one in self._memory if one.number > after]

    def batch(self, size: int) -> Sequence[Waiting]:
        """The oldest items, at most `size`; they stay. Only while not `on_disk_only`."""
        return list(islice(self._memory, size))

    def stored(self, number: int) -> None:
        """Everything up to `number` is in the store."""
        self._stored = max(self._stored, number)
        while self._memory and self._memory[0].number <= number:
            self._memory.popleft()

    def unspooled(self) -> list[Waiting]:
        """What is not on disk yet."""
        return self.in_memory(after=self._spooled)

    def spooled(self, number: int) -> None:
        """Everything up to `number` is on disk, or stored, or was given up."""
        self._spooled = max(self._spooled, number)

    def forget_disk(self) -> int:
        """The disk does not give back what only it has; how many numbers that are at most."""
        missing = max(self._left_to_disk - self._stored, 0)
        self._stored = max(self._stored, self._left_to_disk)
        return missing

    def erase(self) -> None:
        """Forget what waits: it is not wanted any more, so none of it is a loss."""
        self._memory.clear()
        self._stored = self._spooled = self._last
        self._lost, self._lost_gaps, self._lost_windows = 0, {}, set()

    def losses(self) -> Losses | None:
        """What was given up, once; None while there is nothing, or no room to record it."""
        if not self._lost or len(self._memory) > self._limit // 2:
            return None
        losses = Losses(self._lost, tuple(self._lost_gaps.values()), frozenset(self._lost_windows))
        self._lost = 0
        self._lost_gaps = {}
        self._lost_windows = set()
        return losses

    def _give_up(self, item: Item) -> None:
        self._lost += 1
        match item:
            case Window():
                self._lost_windows.add(item.window_id)
            case Segment():
                self._lose(Gap(item.speaker, item.track_sid, item.start, item.end, Reason.STORE_UNREACHABLE))
            case Gap():
                self._lose(item)
            case _:
                pass  # a state that is over, an end that another one follows: only counted

    def _lose(self, gap: Gap) -> None:
        key = gap.track_sid, gap.reason
        known = self._lost_gaps.get(key, gap)
        self._lost_gaps[key] = replace(known, start=min(known.start, gap.start), end=max(known.end, gap.end))


def same_epoch(batch: Collection[Waiting]) -> list[Waiting]:
    """The first items of a batch, as far as they are of one epoch."""
    first = next(iter(batch))
    taken = []
    for one in batch:
        if one.epoch != first.epoch:
            break
        taken.append(one)
    return taken
