"""The record as JSON."""

from __future__ import annotations

import json

from agent.core.exports.json import render
from agent.core.fields import gap_fields, segment_fields
from tests.contract.exports import record
from tests.contract.record import STARTED, gap, segment


def test_json_has_all_that_is_known() -> None:
    """Items under their seq, in the words of the room's messages, in UTF-8 as it is."""
    text = render(record(segment("שלום"), gaps=(gap(),)))
    assert "שלום" in text
    assert json.loads(text) == {
        "room": "a",
        "session": "RM_1",
        "started_at": STARTED,
        "ended_at": None,
        "last_seq": 2,
        "state": None,
        "segments": [{"seq": 1, **segment_fields(segment("שלום"))}],
        "gaps": [{"seq": 2, **gap_fields(gap())}],
        "accounting": [],
    }
