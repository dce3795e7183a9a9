"""How much of each speaker's audio never arrived."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """It is counted again from the gaps whenever a session goes on or is closed."""
    op.add_column("accounting", sa.Column("not_received_seconds", sa.Double, nullable=True))


def downgrade() -> None:
    """This figure is lost of sessions that run; the ends of sessions keep it."""
    op.drop_column("accounting", "not_received_seconds")
