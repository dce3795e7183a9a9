"""Deliveries: how far the webhooks of each session are, and who posts them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """A cursor for each session; it goes with the session."""
    op.create_table(
        "deliveries",
        sa.Column("session", sa.Text, nullable=False),
        sa.Column("after_seq", sa.BigInteger, nullable=False, comment="settled up to here"),
        sa.Column("failures", sa.BigInteger, nullable=False, comment="failed tries in a row"),
        sa.Column("failing_unix_ms", sa.BigInteger, nullable=False),
        sa.Column("due_unix_ms", sa.BigInteger, nullable=False),
        sa.Column("holder", sa.Text, nullable=False),
        sa.Column("until_unix_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("session", name="pk_deliveries"),
        sa.ForeignKeyConstraint(
            ["session"], ["sessions.session"], name="fk_deliveries_sessions", ondelete="CASCADE"
        ),
    )


def downgrade() -> None:
    """Whoever comes back to this step begins with the sessions of the last two days."""
    op.drop_table("deliveries")
