"""The memory of a job is level over a long meeting, counted object by object at simulated time."""

from __future__ import annotations

import pytest

from bench.long_meeting import deep_size, measure

LEVEL_BYTES_A_MINUTE = 2_000
"""Of ids and numbers that are remembered up to a bound; the text of a minute is seven times as much."""


@pytest.mark.timeout(600)
async def test_memory_of_a_job_is_level(pytestconfig: pytest.Config) -> None:
    """Between the first half and the second nothing grows, however much was written."""
    minutes = pytestconfig.getoption("--minutes")
    figures = await measure(minutes, minutes / 2)
    middle, end = figures
    assert end["stored"] > 1.8 * middle["stored"] > 400
    for part in ("tracks", "windows", "transcript", "recorder", "books"):
        growth = (end[part] - middle[part]) / (minutes / 2)
        assert growth < LEVEL_BYTES_A_MINUTE, (part, figures)


def test_deep_size_counts_each_object_once() -> None:
    """And all that one leads to."""
    text = "x" * 1000
    assert 1000 < deep_size([text, text]) < 1500
    assert deep_size([text, ["y" * 1000]]) > 2000
    assert deep_size([text], [text]) < 200
