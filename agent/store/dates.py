"""Dates of the record: ISO 8601 in UTC (`agent.clock.timestamp` writes them), compared by milliseconds."""

from __future__ import annotations

from datetime import UTC, datetime


def moment(iso_date: str) -> datetime:
    """The date of an ISO 8601 text; one without a zone is UTC.

    Raises:
        ValueError: the text is no such date.
    """
    date = datetime.fromisoformat(iso_date)
    return date.replace(tzinfo=UTC) if date.tzinfo is None else date.astimezone(UTC)


def unix_ms(iso_date: str) -> int:
    """Milliseconds since 1970 of an ISO 8601 date.

    Raises:
        ValueError: the text is no such date.
    """
    return round(moment(iso_date).timestamp() * 1000)
