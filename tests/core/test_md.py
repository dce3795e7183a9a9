"""The record as Markdown."""

from __future__ import annotations

from dataclasses import replace

from agent.core.exports.md import render
from tests.contract.exports import record
from tests.contract.record import DEGRADED, ENDED, gap, segment


def test_a_page_has_a_heading_and_a_paragraph_a_segment() -> None:
    """Gaps are quotes."""
    assert render(record(segment("1. *yes*", 1.0), gaps=(gap(4.0),), room="Round #1")) == (
        "# Round \\#1\n\n"
        "- Session RM\\_1\n- Began 2026-11-25T10:00:00.250Z\n- Not ended yet\n\n"
        "**interviewer** 00:00:01\n\n"
        "1\\. \\*yes\\*\n\n"
        "> **candidate** 00:00:04 \\[missing until 00:00:07: recognizer unreachable\\]\n"
    )


def test_the_heading_tells_what_became_of_the_session() -> None:
    """When it ended, and what is wrong with it."""
    ended = replace(record(), ended_at=ENDED, state=DEGRADED, room=" ")
    text = render(ended)
    assert text.startswith("# Transcript\n")
    assert "- Ended 2026-11-25T10:30:00Z\n- Transcription degraded: rate limited (candidate)\n" in text
