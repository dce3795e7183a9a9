"""The short form of `make faults`: some of its quickest rows, on real parts, within their bounds."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.faults.lanes import Lanes
from bench.faults.rows import ROWS

pytestmark = [pytest.mark.live, pytest.mark.timeout(240)]

QUICK = (
    "recognizer dropped between commit and answer",
    "recognizer dropped in mid word",
    "participant rejoins",
    "participant mutes in mid word",
)


def test_the_quick_rows_are_rows() -> None:
    """A row that is renamed does not fall out of the tests in silence."""
    assert set(QUICK) <= {fault.name for fault in ROWS}


@pytest.mark.usefixtures("livekit")
async def test_quick_rows_hold_their_bounds(tmp_path: Path) -> None:
    """No word lost without a gap, doubled or under the wrong speaker; and every fault happened."""
    told: list[str] = []
    lanes = Lanes(tmp_path, count=2, say=told.append)
    outcomes = await lanes.play([fault for fault in ROWS if fault.name in QUICK])
    assert [(one.fault.name, one.broken, one.lost_words) for one in outcomes if one.broken] == [], told
    assert len(outcomes) == len(QUICK)
    assert all(one.store is not None and one.store.said > 20 for one in outcomes)
