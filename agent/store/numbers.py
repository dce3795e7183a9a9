"""How items get their numbers, and which may still come when their writer has a successor."""

from __future__ import annotations

from collections.abc import Collection

from agent.core.model import End, Gap, Item, Segment, State, Status, Window


class Numbers:
    """The numbers of one session while a batch is stored; nobody else may store to it meanwhile."""

    def __init__(self, known: dict[str, int], taken: Collection[int | None], last: int) -> None:
        """`known`: origin -> seq of what is stored; `taken`: seqs near the wanted; `last`: the highest."""
        self._known = known
        self._taken = set(taken)
        self._last = last

    def give(self, origin: str, wanted: int | None, *, rising: bool = False) -> tuple[int, bool]:
        """The seq of an item, and whether it is new. None wants the next after the highest.

        `rising`: below the highest none is given, though it be free: whoever reads on has passed it.
        """
        if origin in self._known:
            return self._known[origin], False
        passed = rising and wanted is not None and wanted < self._last
        seq = self._last + 1 if wanted is None or passed or wanted in self._taken else wanted
        self._known[origin] = seq
        self._taken.add(seq)
        self._last = max(self._last, seq)
        return seq, True


def may_come_late(item: Item, *, current: bool, ended: bool) -> bool:
    """Whether an item is taken whose writer may (`current` false) have been replaced."""
    return current or isinstance(item, Segment | Gap) or (ended and isinstance(item, Window | End))


def resumes(item: Item) -> bool:
    """Whether a session that had ended runs again from this item on: the whole room is listened to."""
    return isinstance(item, Status) and item.speaker is None and item.state is State.LISTENING
