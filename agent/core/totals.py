"""What a session adds up to, counted item by item: items, speakers' sums and windows, and its end.

Every session is brought to its end here: by its transcriber, by a supervisor when that has died, and by the
process that takes in late words of a session that has ended. All but a first transcriber begin with
`restore`. So all ends are alike: windows lie on the grid of those that are stored, and no speech is left
open.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from agent.core.books import Books
from agent.core.missing import Missing
from agent.core.model import Accounting, End, Gap, Item, Segment, Window
from agent.core.tally import Tally
from agent.core.windows import Grid, TranscriptBuffer
from agent.core.words import count_words


class Totals:
    """The running totals of one session."""

    def __init__(self, grid: Grid, *, allowed_lateness_seconds: float = 10.0) -> None:
        """`grid` is that of the windows unless the record has another one."""
        self._tally = Tally()
        self._missing = Missing()
        self.books = Books()
        self.windows = TranscriptBuffer(
            grid.size_seconds, grid.overlap_seconds, allowed_lateness_seconds=allowed_lateness_seconds
        )

    def restore(
        self,
        segments: Sequence[Segment],
        windows: Sequence[Window],
        gaps: Sequence[Gap],
        sums: Iterable[Accounting],
    ) -> None:
        """Go on from the record: all that was said, the last revision of each window, and the sums kept last.

        Call it once. Items that are not in the record yet may have been noted before.
        """
        self._tally.add(
            segments=len(segments),
            words=sum(count_words(segment.text) for segment in segments),
            gaps=len(gaps),
            windows=(window.window_id for window in windows),
        )
        for gap in gaps:
            self._missing.note(gap)
        self.books.take_over(sums)
        self.windows.restore(segments, windows)

    def note(self, item: Item) -> None:
        """One more item that is stored, or will be."""
        self._tally.note(item)
        if isinstance(item, Gap):
            self._missing.note(item)

    def account(self, sums: Iterable[Accounting]) -> Sequence[Accounting]:
        """The speakers' sums with the audio that was not received."""
        return self._missing.account(sums)

    def end(self, started_at: str, ended_at: str, sums: Sequence[Accounting]) -> list[Window | End]:
        """Nothing more is awaited: the windows that are open, closed, and the end with these sums.

        The dates are ISO 8601, UTC.
        """
        windows = self.windows.close()
        for window in windows:
            self.note(window)
        return [*windows, self._tally.end(started_at, ended_at, self.account(sums))]
