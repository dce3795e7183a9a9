"""One reader of `Retry-After`, for the recognizer's refusals and for receivers of webhooks."""

from __future__ import annotations

from datetime import UTC, datetime
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.backoff import read_retry_after

NOW = datetime(2026, 11, 25, 10, 0, 0, tzinfo=UTC)
DATE = "Wed, 25 Nov 2026 10:00:30 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "120"}, 120.0),
        ({"Retry-After": " 1.5 "}, 1.5),
        ({"Retry-After": "0"}, 0.0),
        ({"Retry-After": "9" * 400}, inf),
        ({"Retry-After": DATE}, 30.0),
        ({"Retry-After": DATE.replace("GMT", "-0000")}, 30.0),
        ({"Retry-After": DATE, "Date": "Wed, 25 Nov 2026 10:00:10 GMT"}, 20.0),
        ({"Retry-After": DATE, "Date": "yesterday"}, 30.0),
        ({"Retry-After": "Wed, 25 Nov 2026 09:00:00 GMT"}, 0.0),
        *(({"Retry-After": text}, None) for text in ("soon", "-5", "²", "", ".", "1e3", "inf", "1.5.2")),
    ],
)
def test_a_number_or_a_date(headers: dict[str, str], seconds: float | None) -> None:
    """Anything else asks for nothing."""
    assert read_retry_after(headers, NOW) == seconds


@given(st.text(), st.text())
def test_no_header_breaks_the_reader(asked: str, date: str) -> None:
    """The other side sends what it likes."""
    seconds = read_retry_after({"Retry-After": asked, "Date": date}, NOW)
    assert seconds is None or seconds >= 0
