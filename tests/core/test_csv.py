"""The record as CSV."""

from __future__ import annotations

import pytest

from agent.core.exports.csv import render
from agent.core.model import Speaker
from tests.contract.exports import record
from tests.contract.record import gap, segment

HEADER = (
    '"type","seq","start","end","speaker","name","role","identity",'
    '"source","language","confidence","reason","text"'
)


def test_rows_are_segments_and_gaps() -> None:
    """A gap has a reason where a segment has a text."""
    assert render(record(segment("hello", 1.0), gaps=(gap(4.0),))) == (
        f"{HEADER}\r\n"
        '"segment","1","1.000","1.500","interviewer","Ada Lovelace","interviewer","ada",'
        '"microphone","en","0.8750",'
        '"","hello"\r\n'
        '"gap","2","4.000","7.000","candidate","Bob","candidate","bob","","","",'
        '"recognizer unreachable",""\r\n'
    )


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("a=1+1", "a=1+1"),
        ('"=1"', '"\'=1"'),
        ("a;=1", "a;'=1"),
        ("a; - b", "a; '- b"),
        ("\t@x", "'@x"),
        ("1-2", "1-2"),
        ("＋1", "'＋1"),
    ],
)
def test_formulas_get_an_apostrophe(text: str, cell: str) -> None:
    """And nothing else does."""
    escaped = cell.replace('"', '""')
    assert render(record(segment(text, 0.0, Speaker("x", label="x")))).endswith(f',"{escaped}"\r\n')
