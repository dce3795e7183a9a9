"""Tombstones: a session of which everything said was erased, and when."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """No session of before is erased."""
    op.add_column(
        "sessions",
        sa.Column(
            "erased_at", sa.Text, nullable=True, comment="set: a tombstone, nothing else is kept of it"
        ),
    )


def downgrade() -> None:
    """The program of before would take a tombstone for a session in which nothing was said."""
    op.execute("DELETE FROM sessions WHERE erased_at IS NOT NULL")
    op.drop_column("sessions", "erased_at")
