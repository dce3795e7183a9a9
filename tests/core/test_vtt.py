"""The record as WebVTT."""

from __future__ import annotations

from agent.core.exports.vtt import render
from agent.core.model import Speaker
from tests.contract.exports import record
from tests.contract.record import gap, segment


def test_a_cue_has_its_speaker_as_voice() -> None:
    """Escaped, like its text."""
    said = segment("a < b & c", 1.0, Speaker("x", label="R&D <1>"))
    assert render(record(said, gaps=(gap(9.0),))) == (
        "WEBVTT\n\n"
        "00:00:01.000 --> 00:00:03.500\n<v R&amp;D &lt;1&gt;>a &lt; b &amp; c\n\n"
        "00:00:09.000 --> 00:00:12.000\n<v candidate>[missing until 00:00:12:\nrecognizer unreachable]\n"
    )
