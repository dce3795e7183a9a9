"""How much of each speaker's speech was answered with no word."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Of speech of before it is not known."""
    op.add_column("accounting", sa.Column("wordless_seconds", sa.Double, nullable=True))


def downgrade() -> None:
    """This figure is lost of sessions that run; the ends of sessions keep it."""
    op.drop_column("accounting", "wordless_seconds")
