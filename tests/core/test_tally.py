"""What an end says: how much a session holds."""

from __future__ import annotations

from agent.core.tally import Tally
from tests.contract.record import END, ENDED, LISTENING, STARTED, gap, segment, sums, window


def test_everything_is_counted_once() -> None:
    """Own items, an earlier transcriber's, and revisions of windows that either has closed before."""
    tally = Tally()
    tally.add(segments=2, words=5, gaps=1, windows=[0, 1])
    for item in (segment("three more words"), window(1, 2), window(2), window(2, 2), gap(), LISTENING, END):
        tally.note(item)
    end = tally.end(STARTED, ENDED, [sums()])
    assert (end.segments, end.words, end.windows, end.gaps) == (3, 8, 3, 2)
    assert (end.started_at, end.ended_at, end.accounting) == (STARTED, ENDED, (sums(),))
