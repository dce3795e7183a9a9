"""Supervision: signs of life of transcribers, calls for new ones, workers, and who leads."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Of sessions of before no sign of life is known."""
    for column in (
        sa.Column(
            "beat_unix_ms", sa.BigInteger, nullable=True, comment="last sign of life of the transcriber"
        ),
        sa.Column("leaving_unix_ms", sa.BigInteger, nullable=True, comment="since when it wants a successor"),
        sa.Column(
            "marks", sa.Text, nullable=True, comment="JSON: how far each track had come at the last beat"
        ),
    ):
        op.add_column("sessions", column)
    op.create_index("ix_sessions_ended_at", "sessions", ["ended_at"])
    op.create_table(
        "calls",
        _key("session", "sid of the room, also of one that has no session yet"),
        *(_moment(name) for name in ("called", "coming", "arrived")),
        sa.Column("calls", sa.BigInteger, nullable=False, comment="in a row, in vain"),
        sa.PrimaryKeyConstraint("session", name="pk_calls"),
    )
    op.create_table(
        "workers",
        _key("worker", None),
        sa.Column("agent_name", sa.Text, nullable=False),
        sa.Column("takes_jobs", sa.Boolean, nullable=False),
        _moment("seen"),
        sa.PrimaryKeyConstraint("worker", name="pk_workers"),
    )
    op.create_table(
        "leases",
        _key("agent_name", "one supervisor leads for each name"),
        sa.Column("holder", sa.Text, nullable=False),
        _moment("until"),
        sa.PrimaryKeyConstraint("agent_name", name="pk_leases"),
    )


def downgrade() -> None:
    """What was said stays; who supervises whom is found out anew by whoever comes back to this step."""
    for table in ("leases", "workers", "calls"):
        op.drop_table(table)
    op.drop_index("ix_sessions_ended_at", "sessions")
    for column in ("marks", "leaving_unix_ms", "beat_unix_ms"):
        op.drop_column("sessions", column)


def _key(name: str, comment: str | None) -> Any:
    return sa.Column(name, sa.Text, nullable=False, comment=comment)


def _moment(name: str) -> Any:
    return sa.Column(f"{name}_unix_ms", sa.BigInteger, nullable=False)
