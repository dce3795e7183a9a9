"""A session's totals: the same end, whoever writes it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.core.model import Accounting, End, Gap, Segment, Window
from agent.core.totals import Totals
from agent.core.windows import Grid
from tests.contract.record import ADA, BOB, ENDED, STARTED, gap, segment

GRID = Grid(20.0, 10.0)

moments = st.floats(0.0, 300.0).map(lambda moment: round(moment, 3))
said = st.lists(st.builds(segment, st.sampled_from(["one", "one two", "a b c"]), moments), max_size=12)


def end_of(totals: Totals) -> tuple[list[Window], End]:
    """What is written at the end."""
    *windows, end = totals.end(STARTED, ENDED, totals.books.sums())
    assert isinstance(end, End)
    return [one for one in windows if isinstance(one, Window)], end


@given(said, said, st.lists(st.builds(gap, moments), max_size=3))
def test_the_end_is_the_same_whoever_writes_it(
    before: list[Segment], after: list[Segment], gaps: list[Gap]
) -> None:
    """One transcriber to the end; or one that died, and somebody else on other settings from its record."""
    whole, first = Totals(GRID), Totals(GRID)
    stored: dict[int, Window] = {}
    for one in before:
        for totals in (whole, first):
            totals.note(one)
            totals.windows.add(one)
    for window in first.windows.advance(150.0, 150.0):
        stored[window.window_id] = window
    second = Totals(Grid(30.0, 20.0) if stored.keys() - {0} else GRID)
    second.restore(before, list(stored.values()), [], [])
    for totals in (whole, second):
        for one in (*after, *gaps):
            totals.note(one)
            if isinstance(one, Segment):
                totals.windows.add(one)
    windows, end = end_of(second)
    whole_windows, whole_end = end_of(whole)
    assert end == whole_end
    stored |= {one.window_id: one for one in windows}
    assert [(one.start, one.end, one.text) for _, one in sorted(stored.items())] == [
        (one.start, one.end, one.text) for one in whole_windows
    ]


def test_speech_without_an_answer_is_a_gap() -> None:
    """Sums that a dead transcriber kept while it awaited answers balance in the end."""
    totals = Totals(GRID)
    totals.restore([], [], [], [Accounting(ADA, 40.0, 10.0, 11.0, 7.0, 0.0), Accounting(BOB, 5.0)])
    _, end = end_of(totals)
    assert [(one.speech, one.answered, one.gap) for one in end.accounting] == [
        (10.0, 7.0, 3.0),
        (0.0, 0.0, 0.0),
    ]
    assert all(one.balanced and one.silence >= 0.0 for one in end.accounting)
