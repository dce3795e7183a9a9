"""The record as plain text."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.core.exports.txt import render
from agent.core.model import Speaker
from tests.contract.exports import record
from tests.contract.record import BOB, gap, segment


def test_a_line_is_time_label_and_text() -> None:
    """In order of start, gaps in their place."""
    assert render(record(segment("b", 2.0, BOB), segment("a", 1.0), gaps=(gap(1.5),))) == (
        "[00:00:01] interviewer: a\n"
        "[00:00:01] candidate: [missing until 00:00:04: recognizer unreachable]\n"
        "[00:00:02] candidate: b\n"
    )


def test_right_to_left_text_is_embedded() -> None:
    """As in SRT: its full stop would stand at the wrong end, for the line begins with a label."""
    lines = render(record(segment("שלום, מה שלומך?", 1.0), segment("مرحبا!", 2.0, BOB), segment("3 ok", 3.0)))
    assert lines.splitlines() == [
        "[00:00:01] interviewer: \u202bשלום, מה שלומך?\u202c",
        "[00:00:02] candidate: \u202bمرحبا!\u202c",
        "[00:00:03] interviewer: 3 ok",
    ]


def test_nothing_said_is_no_text() -> None:
    """Not an empty line either."""
    assert render(record()) == ""


@given(texts=st.lists(st.text(), max_size=5), label=st.text())
def test_one_line_a_segment(texts: list[str], label: str) -> None:
    """Whatever line breaks a text or a name holds."""
    lines = render(record(*(segment(text, 0.0, Speaker("x", label=label)) for text in texts))).splitlines()
    assert len(lines) == len(texts)
    assert all(line.startswith("[00:00:00] ") for line in lines)
