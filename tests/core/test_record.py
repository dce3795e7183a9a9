"""A record's segments and gaps, together."""

from __future__ import annotations

from agent.core.exports.record import Record
from tests.contract.record import STARTED, gap, segment


def test_entries_are_in_order_of_start() -> None:
    """Of those that start together, what was said comes before what is missing; each keeps its seq."""
    record = Record(
        *("a", "RM_1", STARTED, None, 9, None),
        segments=((3, segment("a", 1.0)), (1, segment("b", 4.0))),
        gaps=((2, gap(0.5)), (4, gap(4.0))),
    )
    assert [seq for seq, _ in record.entries] == [2, 3, 1, 4]
