"""PostgreSQL keeps no samples of what was said, nor of who said it: they would outlive an erasing.

ANALYZE keeps frequent and typical values of each column for the planner (`pg_stats`), those of deleted rows
until it runs again, and of a table that has become empty for longer. No plan of ours needs these columns'.
"""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"

ONLY_ON = "postgresql"
"""SQLite keeps no such samples: nothing changes there."""

_SPEAKER = ("speaker_identity", "speaker_name", "speaker_role", "speaker_label")
SPOKEN = {
    "sessions": ("marks",),
    "segments": (*_SPEAKER, "text", "words"),
    "search_words": ("words",),
    "windows": ("pending", "turns"),
    "gaps": _SPEAKER,
    "states": (*_SPEAKER, "detail"),
    "ends": ("accounting",),
    "speakers": _SPEAKER,
    "accounting": _SPEAKER,
}
"""Table -> its columns that hold speech, or the names of people."""
KINDS = {"search_words": "tsvector"}
"""Of these columns, where it is not text."""


def upgrade() -> None:
    """Nothing is sampled from now on, and the samples there are go; no table is written anew.

    Giving a column the kind that it has is what makes PostgreSQL forget its statistics, in every version.
    """
    if op.get_bind().dialect.name != ONLY_ON:
        return
    # before any is changed, and sessions first, as writers do: nobody comes to wait in a circle
    op.execute(f"LOCK TABLE {', '.join(SPOKEN)} IN ACCESS EXCLUSIVE MODE")
    for table, columns in SPOKEN.items():
        kind = KINDS.get(table, "text")
        _alter(
            table, [f"{one} {change}" for one in columns for change in ("SET STATISTICS 0", f"TYPE {kind}")]
        )


def downgrade() -> None:
    """Nothing goes; but PostgreSQL samples what is said again, and the samples outlive an erasing."""
    if op.get_bind().dialect.name != ONLY_ON:
        return
    for table, columns in SPOKEN.items():
        _alter(table, [f"{one} SET STATISTICS -1" for one in columns])


def _alter(table: str, changes: list[str]) -> None:
    op.execute(f"ALTER TABLE {table} {', '.join(f'ALTER COLUMN {change}' for change in changes)}")
