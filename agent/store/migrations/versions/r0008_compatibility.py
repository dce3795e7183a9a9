"""Which programs can use the tables: those that know the step named here, and all newer ones."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

OLDEST = "0007"
"""This step only adds, and the program of before does not look."""


def upgrade() -> None:
    """One row, which a step that takes something away sets anew."""
    table = op.create_table(
        "compatibility",
        sa.Column(
            "oldest", sa.Text, nullable=False, comment="programs that know this step can use the tables"
        ),
        sa.PrimaryKeyConstraint("oldest", name="pk_compatibility"),
    )
    op.bulk_insert(table, [{"oldest": OLDEST}])


def downgrade() -> None:
    """Nothing of a record is lost; a program of the step before refuses tables that are newer than itself."""
    op.drop_table("compatibility")
