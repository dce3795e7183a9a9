"""How much a session holds, for its end: counted item by item, whoever wrote it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from agent.core.model import Accounting, End, Gap, Item, Segment, Window
from agent.core.words import count_words


class Tally:
    """The counts of one session."""

    def __init__(self) -> None:
        self._segments = 0
        self._words = 0
        self._gaps = 0
        self._windows: set[int] = set()

    def add(self, *, segments: int, words: int, gaps: int, windows: Iterable[int]) -> None:
        """What an earlier transcriber has stored; `windows` are ids."""
        self._segments += segments
        self._words += words
        self._gaps += gaps
        self._windows.update(windows)

    def note(self, item: Item) -> None:
        """One more item that is stored, or will be."""
        match item:
            case Segment():
                self._segments += 1
                self._words += count_words(item.text)
            case Gap():
                self._gaps += 1
            case Window():
                self._windows.add(item.window_id)
            case _:
                pass

    def end(self, started_at: str, ended_at: str, sums: Sequence[Accounting]) -> End:
        """The end of the session as it is now."""
        return End(
            segments=self._segments,
            words=self._words,
            windows=len(self._windows),
            gaps=self._gaps,
            started_at=started_at,
            ended_at=ended_at,
            accounting=tuple(sums),
        )
