"""The index of the words that were said, and the order of sessions by their start."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from agent.store.search_queries import indexed

revision = "0004"
down_revision = "0003"

PAGE = 1_000
"""Segments indexed in one statement."""

_FTS5 = (
    "CREATE VIRTUAL TABLE search_index USING fts5"
    " (words, content='search_words', content_rowid='id', tokenize='ascii')",
    "CREATE TRIGGER search_words_added AFTER INSERT ON search_words BEGIN"
    " INSERT INTO search_index (rowid, words) VALUES (new.id, new.words); END",
    "CREATE TRIGGER search_words_removed AFTER DELETE ON search_words BEGIN"
    " INSERT INTO search_index (search_index, rowid, words) VALUES ('delete', old.id, old.words); END",
    "CREATE TRIGGER search_words_changed AFTER UPDATE ON search_words BEGIN"
    " INSERT INTO search_index (search_index, rowid, words) VALUES ('delete', old.id, old.words);"
    " INSERT INTO search_index (rowid, words) VALUES (new.id, new.words); END",
)


def upgrade() -> None:
    """What was said before is indexed, too."""
    op.create_index("ix_sessions_started_unix_ms_session", "sessions", ["started_unix_ms", "session"])
    op.create_table(
        "search_words",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("session", sa.Text, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("words", _words(), nullable=False, comment="of the segment, cut and folded"),
        sa.ForeignKeyConstraint(
            ["session", "seq"],
            ["segments.session", "segments.seq"],
            name="fk_search_words_segments",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_search_words"),
    )
    op.create_index("ix_search_words_session_seq", "search_words", ["session", "seq"], unique=True)
    if op.get_bind().dialect.name == "sqlite":
        for statement in _FTS5:
            op.execute(statement)
    else:
        op.create_index("ix_search_words_words", "search_words", ["words"], postgresql_using="gin")
    _index_segments(op.get_bind())


def downgrade() -> None:
    """The index goes; what was said stays."""
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TABLE search_index")
    op.drop_table("search_words")
    op.drop_index("ix_sessions_started_unix_ms_session", "sessions")


def _index_segments(db: sa.Connection) -> None:
    segments = sa.table("segments", sa.column("session"), sa.column("seq"), sa.column("text"))
    search_words = sa.table(
        "search_words", sa.column("session"), sa.column("seq"), sa.column("words", _words())
    )
    key = sa.tuple_(segments.c.session, segments.c.seq)
    last: tuple[str, int] = ("", 0)
    while page := db.execute(
        sa.select(segments).where(key > last).order_by(segments.c.session, segments.c.seq).limit(PAGE)
    ).all():
        rows = [
            {"session": row.session, "seq": row.seq, "words": indexed(db.dialect.name, row.text)}
            for row in page
        ]
        db.execute(search_words.insert(), rows)
        last = (page[-1].session, page[-1].seq)


def _words() -> Any:
    return sa.Text().with_variant(sa.dialects.postgresql.TSVECTOR(), "postgresql")
