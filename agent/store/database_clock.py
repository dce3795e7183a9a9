"""The database's own clock: hosts whose clocks differ agree by it on who is dead and what is due."""

from __future__ import annotations

from sqlalchemy import BigInteger, ColumnElement, literal_column
from sqlalchemy.ext.asyncio import AsyncConnection

_CLOCKS = {
    "sqlite": "CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER)",
    "postgresql": "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)",
}
"""Unix milliseconds."""


def clock(db: AsyncConnection) -> str:
    """An SQL expression: Unix milliseconds, now."""
    return _CLOCKS[db.dialect.name]


def now(db: AsyncConnection) -> ColumnElement[int]:
    """The same as a column."""
    return literal_column(clock(db), BigInteger)
