"""Who counted an item, and its count: what is stored late is stored once."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Items of before have no origin: none of them will come again."""
    op.add_column(
        "items",
        sa.Column("origin", sa.Text, nullable=True, comment="who counted it, and its count: writer:number"),
    )
    op.create_index("ix_items_session_origin", "items", ["session", "origin"], unique=True)


def downgrade() -> None:
    """Items stay. Take in all spools before: what is in one and was stored in part would be stored twice."""
    op.drop_index("ix_items_session_origin", "items")
    op.drop_column("items", "origin")
