"""The record as SubRip."""

from __future__ import annotations

from agent.core.exports.graphemes import width
from agent.core.exports.srt import render
from agent.core.model import Speaker
from tests.contract.exports import record
from tests.contract.record import BOB, gap, segment


def test_a_cue_has_its_number_times_and_speaker() -> None:
    """Lines end with LF."""
    assert render(record(segment("a < b", 1.0), gaps=(gap(9.0),))) == (
        "1\n00:00:01,000 --> 00:00:02,500\ninterviewer: a ＜ b\n\n"
        "2\n00:00:09,000 --> 00:00:12,000\ncandidate: [missing until\n00:00:12: recognizer unreachable]\n"
    )


def test_right_to_left_text_is_embedded() -> None:
    """Line by line, the label outside; text that only holds such a word is not."""
    text = render(record(segment("שלום, מה שלומך היום? אני עובד", 1.0, BOB), segment("he said שלום", 9.0)))
    assert "candidate: \u202bשלום, מה שלומך היום? אני עובד\u202c\n" in text
    assert "interviewer: he said שלום\n" in text


def test_of_a_long_label_the_middle_is_left_out() -> None:
    """There is room for words beside it, and two of much the same beginning can be told apart."""
    for number in (1, 2):
        label = f"the interviewer from the company of the other continent {number}"
        first = render(record(segment("hello there", 1.0, Speaker("x", label=label)))).split("\n")[2]
        assert first == f"the interviewer from…ntinent {number}: hello"
        assert width(first) <= 42
