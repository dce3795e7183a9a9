"""By which rules the words of the index are folded; those of before are indexed anew after this step."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Words of before, and those that programs of before add, have the rules 1.

    `python -m agent.store upgrade` and the token service then index them anew, in short transactions.
    """
    op.add_column(
        "search_words",
        sa.Column(
            "folding", sa.BigInteger, nullable=False, server_default="1", comment="rules by which they are"
        ),
    )
    op.create_index("ix_search_words_folding", "search_words", ["folding"])


def downgrade() -> None:
    """Nothing is lost; the program of before finds words with letters such as ı, đ and ł no more."""
    op.drop_index("ix_search_words_folding", "search_words")
    op.drop_column("search_words", "folding")
