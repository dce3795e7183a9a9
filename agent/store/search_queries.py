"""The index of the words that were said: FTS5 on SQLite, a tsvector with a GIN index on PostgreSQL.

    segments ──1 search_words ──1 search_index (SQLite: an FTS5 table over it, kept by triggers)

`agent.core.search` cuts and folds the words; neither database does anything to them. A row goes with its
segment (`ON DELETE CASCADE`), and the triggers take it out of `search_index`. FTS5 only notes there that the
words are gone, and drops them when it next merges: whoever must leave no trace of them calls `forget_words`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import BigInteger, Subquery, Text, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from agent.core.search import Phrase, Search, words_of
from agent.store.listing import MATCHES_TOLD, Match
from agent.store.tables import segments

_INSERT = "INSERT INTO search_words (session, seq, words) VALUES (:session, :seq, {words})"
_INSERTS = {
    "sqlite": text(_INSERT.format(words=":words")),
    "postgresql": text(_INSERT.format(words="CAST(CAST(:words AS TEXT) AS tsvector)")),
}

_HITS = {
    "sqlite": text(
        "SELECT search_words.session, search_words.seq FROM search_index"
        " JOIN search_words ON search_words.id = search_index.rowid WHERE search_index MATCH :search"
    ),
    "postgresql": text(
        "SELECT session, seq FROM search_words WHERE words @@ CAST(CAST(:search AS TEXT) AS tsquery)"
    ),
}


_MERGE = text("INSERT INTO search_index (search_index, rank) VALUES ('merge', :pages)")
MERGED_PAGES = 250
"""Of FTS5's index, 4 kB each, written in one step."""


async def add_words(db: AsyncConnection, said: Sequence[Mapping[str, Any]]) -> None:
    """Index rows of `segments`, in the transaction that inserts them."""
    dialect = db.dialect.name
    await db.execute(
        _INSERTS[dialect],
        [
            {"session": row["session"], "seq": row["seq"], "words": indexed(dialect, row["text"])}
            for row in said
        ],
    )


async def forget_words(db: AsyncConnection) -> bool:
    """One step towards an index without a trace of what was deleted; True when there is none left.

    Each step is short, for writers have to wait for it; all of them together write the index anew.
    """
    if db.dialect.name != "sqlite":
        return True
    changes = text("SELECT total_changes()")
    before = int((await db.execute(changes)).scalar_one())
    await db.execute(_MERGE, {"pages": -MERGED_PAGES})
    # the statement itself is one change; FTS5's documentation names this as the sign that nothing was merged
    after = (await db.execute(changes)).scalar_one()
    return int(after - before) < 2


def indexed(dialect: str, spoken: str) -> str:
    """What `search_words.words` gets for a text: words with blanks between, or a tsvector."""
    words = words_of(spoken)
    if dialect == "sqlite":
        return " ".join(words)
    places: defaultdict[str, list[str]] = defaultdict(list)
    for place, word in enumerate(words, start=1):
        places[word].append(str(place))
    return " ".join(f"'{word}':{','.join(at)}" for word, at in places.items())


def hits(db: AsyncConnection, search: Search) -> Subquery:
    """Session and seq of the segments that hold all of it."""
    dialect = db.dialect.name
    if dialect == "sqlite":
        sought = " ".join(f'"{" ".join(one.words)}"{" *" * one.prefix}' for one in search.phrases)
    else:
        sought = " & ".join(f"({_tsquery(one)})" for one in search.phrases)
    found = _HITS[dialect].bindparams(search=sought)
    return found.columns(session=Text, seq=BigInteger).subquery("hits")


def _tsquery(phrase: Phrase) -> str:
    return " <-> ".join(f"'{word}'" for word in phrase.words) + ":*" * phrase.prefix


async def first_matches(
    db: AsyncConnection, search: Search, found: Sequence[str]
) -> dict[str, tuple[Match, ...]]:
    """The first segments that match, of each session."""
    matching = hits(db, search)
    said = segments.c
    place = func.row_number().over(partition_by=said.session, order_by=(said.start_seconds, said.seq))
    ranked = (
        select(
            said.session, said.seq, said.start_seconds, said.speaker_label, said.text, place.label("place")
        )
        .join(matching, (matching.c.session == said.session) & (matching.c.seq == said.seq))
        .where(said.session.in_(found))
        .subquery()
    )
    first = await db.execute(
        select(ranked).where(ranked.c.place <= MATCHES_TOLD).order_by(ranked.c.session, ranked.c.place)
    )
    matches: defaultdict[str, list[Match]] = defaultdict(list)
    for row in first:
        matches[row.session].append(Match(row.seq, row.start_seconds, row.speaker_label, row.text))
    return {session: tuple(of_it) for session, of_it in matches.items()}
