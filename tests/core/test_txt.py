"""The record as plain text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.exports.txt import render
from agent.core.model import Segment, Speaker


def said(text: str, start: float = 0.0, label: str = "candidate") -> Segment:
    """A final segment."""
    return Segment("SG", 1, True, Speaker("bob", label=label), "TR", "microphone", start, start + 1, text)


@pytest.mark.parametrize(
    ("start", "clock"),
    [
        (0.0, "00:00:00"),
        (0.9995, "00:00:00"),
        (59.9996, "00:00:59"),
        (60.0, "00:01:00"),
        (3599.9996, "00:59:59"),
        (5397.0, "01:29:57"),
        (360_000.0, "100:00:00"),
        (-3.0, "00:00:00"),
    ],
)
def test_a_line_begins_with_whole_seconds(start: float, clock: str) -> None:
    """Hours, minutes and seconds; never rounded up to what had not begun."""
    assert render([said("hello", start)]) == f"[{clock}] candidate: hello\n"


def test_segments_stay_in_their_order() -> None:
    """Whoever gives them decides."""
    assert render([said("b", 2.0), said("a", 1.0, "interviewer")]) == (
        "[00:00:02] candidate: b\n[00:00:01] interviewer: a\n"
    )


def test_nothing_said_is_no_text() -> None:
    """Not an empty line either."""
    assert render([]) == ""


@given(texts=st.lists(st.text(), max_size=5), label=st.text())
def test_one_line_a_segment(texts: list[str], label: str) -> None:
    """Whatever line breaks a text or a name holds."""
    lines = render([said(text, label=label) for text in texts]).splitlines()
    assert len(lines) == len(texts)
    assert all(line.startswith("[00:00:00] ") for line in lines)
