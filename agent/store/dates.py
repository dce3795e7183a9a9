"""Dates of the record: ISO 8601 in UTC, compared by Unix milliseconds."""

from __future__ import annotations

from datetime import UTC, datetime


def now_iso() -> str:
    """The wall clock, like 2026-11-25T10:00:00.123Z."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def unix_ms(iso: str) -> int:
    """Milliseconds since 1970 of an ISO 8601 date; one without a zone is UTC.

    Raises:
        ValueError: the text is no such date.
    """
    date = datetime.fromisoformat(iso)
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return round(date.timestamp() * 1000)
