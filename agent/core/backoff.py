"""How long to wait before the next try: the one growing pause, and what the other side asks for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_NUMBER = re.compile(r"\d+(\.\d*)?", re.ASCII)


def growing_pause(failures: int, first_seconds: float, longest_seconds: float) -> float:
    """How long to wait after so many failures in a row (1 or more).

    The first pause is `first_seconds`, each further one twice as long, up to `longest_seconds`.
    """
    return min(first_seconds * 2.0 ** min(failures - 1, 30), longest_seconds)


def read_retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds that the header `Retry-After` asks for, 0 or more; None when it asks for nothing.

    It holds a number, or a date. A date is compared with the answer's own `Date`, so that no clock has to be
    right; without one, with `now` (aware).
    """
    asked = headers.get("Retry-After", "").strip()
    if _NUMBER.fullmatch(asked):
        return float(asked)
    until = _moment(asked)
    if until is None:
        return None
    return max((until - (_moment(headers.get("Date", "")) or now)).total_seconds(), 0.0)


def _moment(date: str) -> datetime | None:
    """The moment of an HTTP date; None for anything else."""
    try:
        moment = parsedate_to_datetime(date)
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
