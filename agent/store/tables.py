"""The tables of the record. Times are room time in seconds; dates are ISO 8601 texts in UTC.

    sessions ──< items ──1 segments | windows | gaps | states | ends     (one row of detail an item)
        │                     └──1 search_words                          (`agent.store.search_queries`)
        ├──< speakers, accounting                                        (replaced as a whole)
        └──1 deliveries                                                  (how far webhooks are)
    calls (of transcribers, one row a session), workers, leases: for supervision, gone with their use
    compatibility: one row                                             (`agent.store.migrations`)

`items` gives every item of a session its number, so that no two items can share one, whatever they are.
A change here needs a migration in `agent/store/migrations/versions`; a test compares the two.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import TSVECTOR

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(referred_table_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)


def _speaker(*, optional: bool = False) -> list[Column[str]]:
    """The columns of one speaker, as it was when the row was written."""
    return [
        Column(f"speaker_{name}", Text, nullable=optional) for name in ("identity", "name", "role", "label")
    ]


def _detail(name: str, *columns: Column[Any] | Index) -> Table:
    """A table that holds the items of one type."""
    return Table(
        name,
        metadata,
        Column("session", Text, primary_key=True),
        Column("seq", BigInteger, primary_key=True, autoincrement=False),
        *columns,
        ForeignKeyConstraint(["session", "seq"], ["items.session", "items.seq"], ondelete="CASCADE"),
    )


def _replaced(name: str, *columns: Column[Any]) -> Table:
    """A table whose rows of a session are replaced together; `position` is their order, from 0."""
    return Table(
        name,
        metadata,
        Column("session", Text, ForeignKey("sessions.session", ondelete="CASCADE"), primary_key=True),
        Column("position", BigInteger, primary_key=True, autoincrement=False),
        *_speaker(),
        *columns,
    )


def _seconds(name: str) -> Column[float]:
    return Column(f"{name}_seconds", Double, nullable=False)


def _text(name: str, *, optional: bool = False) -> Column[str]:
    return Column(name, Text, nullable=optional)


def _count(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False)


def _moment(name: str) -> Column[int]:
    """By the database's clock; 0 is never."""
    return Column(f"{name}_unix_ms", BigInteger, nullable=False)


sessions = Table(
    "sessions",
    metadata,
    Column("session", Text, primary_key=True, comment="sid of the room"),
    _text("room"),
    _text("started_at"),
    _count("started_unix_ms"),
    _text("ended_at", optional=True),
    Column("epoch", BigInteger, nullable=False, comment="the one writer that may write"),
    _text("written_at"),
    Column("beat_unix_ms", BigInteger, nullable=True, comment="last sign of life of the transcriber"),
    Column("leaving_unix_ms", BigInteger, nullable=True, comment="since when it wants a successor"),
    Column("marks", Text, nullable=True, comment="JSON: how far each track had come at the last beat"),
    Column("erased_at", Text, nullable=True, comment="set: a tombstone, nothing else is kept of it"),
    Index(None, "room", "started_unix_ms"),
    Index(None, "ended_at"),
    Index(None, "started_unix_ms", "session"),
)

items = Table(
    "items",
    metadata,
    Column("session", Text, ForeignKey("sessions.session", ondelete="CASCADE"), primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("type", Text, nullable=False, comment="segment, window, gap, status or end"),
    Column("origin", Text, nullable=True, comment="who counted it, and its count: writer:number"),
    Index(None, "session", "origin", unique=True),
)

segments = _detail(
    "segments",
    _text("segment_id"),
    _count("revision"),
    *_speaker(),
    _text("track_sid"),
    _text("source"),
    _seconds("start"),
    _seconds("end"),
    _text("text"),
    Column("words", Text, nullable=False, comment="JSON: [[text, start, end], …]"),
    _count("word_count"),
    _text("language"),
    Column("confidence", Double, nullable=True, comment="0..1"),
    Index(None, "session", "start_seconds", "seq"),
)

search_words = Table(
    "search_words",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    _text("session"),
    _count("seq"),
    Column(
        "words",
        Text().with_variant(TSVECTOR(), "postgresql"),
        nullable=False,
        comment="of the segment, cut and folded",
    ),
    Column("folding", BigInteger, nullable=False, server_default="1", comment="rules by which they are"),
    ForeignKeyConstraint(["session", "seq"], ["segments.session", "segments.seq"], ondelete="CASCADE"),
    Index(None, "session", "seq", unique=True),
    Index(None, "folding"),
)

windows = _detail(
    "windows",
    _count("window_id"),
    _count("revision"),
    _seconds("start"),
    _seconds("end"),
    Column("complete", Boolean, nullable=False),
    Column("pending", Text, nullable=False, comment="JSON: [label, …]"),
    Column("turns", Text, nullable=False, comment="JSON: [{speaker, start, end, text}, …]"),
    _count("word_count"),
    _count("segment_count"),
    Index(None, "session", "window_id", "revision"),
)

gaps = _detail(
    "gaps",
    *_speaker(),
    _text("track_sid"),
    _seconds("start"),
    _seconds("end"),
    _text("reason"),
)

states = _detail(
    "states",
    _text("state"),
    _text("reason", optional=True),
    *_speaker(optional=True),
    _text("detail"),
)

ends = _detail(
    "ends",
    _count("segments"),
    _count("words"),
    _count("windows"),
    _count("gaps"),
    _text("started_at"),
    _text("ended_at"),
    Column("accounting", Text, nullable=False, comment="JSON: [{speaker, heard, …}, …]"),
)

speakers = _replaced("speakers")

accounting = _replaced(
    "accounting",
    _seconds("heard"),
    _seconds("speech"),
    _seconds("sent"),
    _seconds("answered"),
    _seconds("gap"),
    _seconds("replayed"),
    _count("reconnects"),
    Column("wordless_seconds", Double, nullable=True),
    Column("not_received_seconds", Double, nullable=True),
)

calls = Table(
    "calls",
    metadata,
    Column("session", Text, primary_key=True, comment="sid of the room, also of one that has no session yet"),
    *(_moment(name) for name in ("called", "coming", "arrived")),
    Column("calls", BigInteger, nullable=False, comment="in a row, in vain"),
)

workers = Table(
    "workers",
    metadata,
    Column("worker", Text, primary_key=True),
    _text("agent_name"),
    Column("takes_jobs", Boolean, nullable=False),
    _moment("seen"),
)

leases = Table(
    "leases",
    metadata,
    Column("agent_name", Text, primary_key=True, comment="one supervisor leads for each name"),
    _text("holder"),
    _moment("until"),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("session", Text, ForeignKey("sessions.session", ondelete="CASCADE"), primary_key=True),
    Column("after_seq", BigInteger, nullable=False, comment="settled up to here"),
    Column("failures", BigInteger, nullable=False, comment="failed tries in a row"),
    _moment("failing"),
    _moment("due"),
    _text("holder"),
    _moment("until"),
)

compatibility = Table(
    "compatibility",
    metadata,
    Column("oldest", Text, primary_key=True, comment="programs that know this step can use the tables"),
)
