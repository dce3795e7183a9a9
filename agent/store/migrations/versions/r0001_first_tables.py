"""The first tables: sessions, their numbered items with one row of detail each, speakers and sums."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

DETAILS = ("ends", "states", "gaps", "windows", "segments")


def upgrade() -> None:
    """Into a database that has nothing of ours."""
    _create_sessions()
    _create_segments_and_windows()
    _create_gaps_states_ends()
    _create_speakers_and_sums()


def downgrade() -> None:
    """All that was ever said goes; nothing of ours is left."""
    for table in ("accounting", "speakers", *DETAILS, "items", "sessions"):  # before what they refer to
        op.drop_table(table)


def _create_sessions() -> None:
    op.create_table(
        "sessions",
        sa.Column("session", sa.Text, nullable=False, comment="sid of the room"),
        sa.Column("room", sa.Text, nullable=False),
        sa.Column("started_at", sa.Text, nullable=False),
        sa.Column("started_unix_ms", sa.BigInteger, nullable=False),
        sa.Column("ended_at", sa.Text, nullable=True),
        sa.Column("epoch", sa.BigInteger, nullable=False, comment="the one writer that may write"),
        sa.Column("written_at", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("session", name="pk_sessions"),
    )
    op.create_index("ix_sessions_room_started_unix_ms", "sessions", ["room", "started_unix_ms"])
    op.create_table(
        "items",
        *_key("items", "seq"),
        sa.Column("type", sa.Text, nullable=False, comment="segment, window, gap, status or end"),
        _of_session("items"),
    )


def _create_segments_and_windows() -> None:
    op.create_table(
        "segments",
        *_key("segments", "seq"),
        sa.Column("segment_id", sa.Text, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        *_speaker(),
        sa.Column("track_sid", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        *_seconds("start", "end"),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("words", sa.Text, nullable=False, comment="JSON: [[text, start, end], …]"),
        sa.Column("word_count", sa.BigInteger, nullable=False),
        sa.Column("language", sa.Text, nullable=False),
        sa.Column("confidence", sa.Double, nullable=True, comment="0..1"),
        _of_item("segments"),
    )
    op.create_index("ix_segments_session_start_seconds_seq", "segments", ["session", "start_seconds", "seq"])
    op.create_table(
        "windows",
        *_key("windows", "seq"),
        sa.Column("window_id", sa.BigInteger, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        *_seconds("start", "end"),
        sa.Column("complete", sa.Boolean, nullable=False),
        sa.Column("pending", sa.Text, nullable=False, comment="JSON: [label, …]"),
        sa.Column("turns", sa.Text, nullable=False, comment="JSON: [{speaker, start, end, text}, …]"),
        sa.Column("word_count", sa.BigInteger, nullable=False),
        sa.Column("segment_count", sa.BigInteger, nullable=False),
        _of_item("windows"),
    )
    op.create_index("ix_windows_session_window_id_revision", "windows", ["session", "window_id", "revision"])


def _create_gaps_states_ends() -> None:
    op.create_table(
        "gaps",
        *_key("gaps", "seq"),
        *_speaker(),
        sa.Column("track_sid", sa.Text, nullable=False),
        *_seconds("start", "end"),
        sa.Column("reason", sa.Text, nullable=False),
        _of_item("gaps"),
    )
    op.create_table(
        "states",
        *_key("states", "seq"),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=True),
        *_speaker(optional=True),
        sa.Column("detail", sa.Text, nullable=False),
        _of_item("states"),
    )
    op.create_table(
        "ends",
        *_key("ends", "seq"),
        *[
            sa.Column(name, sa.BigInteger, nullable=False)
            for name in ("segments", "words", "windows", "gaps")
        ],
        sa.Column("started_at", sa.Text, nullable=False),
        sa.Column("ended_at", sa.Text, nullable=False),
        sa.Column("accounting", sa.Text, nullable=False, comment="JSON: [{speaker, heard, …}, …]"),
        _of_item("ends"),
    )


def _create_speakers_and_sums() -> None:
    op.create_table("speakers", *_key("speakers", "position"), *_speaker(), _of_session("speakers"))
    op.create_table(
        "accounting",
        *_key("accounting", "position"),
        *_speaker(),
        *_seconds("heard", "speech", "sent", "answered", "gap", "replayed"),
        sa.Column("reconnects", sa.BigInteger, nullable=False),
        _of_session("accounting"),
    )


def _key(table: str, number: str) -> list[Any]:
    return [
        sa.Column("session", sa.Text, nullable=False),
        sa.Column(number, sa.BigInteger, autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("session", number, name=f"pk_{table}"),
    ]


def _speaker(*, optional: bool = False) -> list[Any]:
    return [
        sa.Column(f"speaker_{name}", sa.Text, nullable=optional)
        for name in ("identity", "name", "role", "label")
    ]


def _seconds(*names: str) -> list[Any]:
    return [sa.Column(f"{name}_seconds", sa.Double, nullable=False) for name in names]


def _of_session(table: str) -> Any:
    return sa.ForeignKeyConstraint(
        ["session"], ["sessions.session"], name=f"fk_{table}_sessions", ondelete="CASCADE"
    )


def _of_item(table: str) -> Any:
    return sa.ForeignKeyConstraint(
        ["session", "seq"], ["items.session", "items.seq"], name=f"fk_{table}_items", ondelete="CASCADE"
    )
