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

from sqlalchemy import CTE, BigInteger, RowMapping, Select, Text, and_, bindparam, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from agent.core.search import FOLDING, Phrase, Search, words_of
from agent.store.listing import MATCHES_TOLD, Match
from agent.store.tables import search_words, segments

_WORDS = {"sqlite": ":words", "postgresql": "CAST(CAST(:words AS TEXT) AS tsvector)"}
_INSERTS = {
    dialect: text(
        f"INSERT INTO search_words (session, seq, words, folding) VALUES (:session, :seq, {words}, {FOLDING})"
    )
    for dialect, words in _WORDS.items()
}
_UPDATES = {
    dialect: text(
        f"UPDATE search_words SET words = {words}, folding = {FOLDING}"
        f" WHERE session = :session AND seq = :seq AND folding < {FOLDING}"
    )
    for dialect, words in _WORDS.items()
}
REINDEXED = 500
"""Segments that are indexed anew in one transaction, for which writers have to wait."""

_HITS = {
    "sqlite": "SELECT search_words.session, search_words.seq FROM search_index"
    " JOIN search_words ON search_words.id = search_index.rowid WHERE search_index MATCH :search",
    "postgresql": "SELECT session, seq FROM search_words"
    " WHERE words @@ CAST(CAST(:search AS TEXT) AS tsquery)",
}
_AMONG = {
    # FTS5 begins and ends at these rows: what others said costs nothing
    "sqlite": _HITS["sqlite"]
    + " AND search_index.rowid BETWEEN :first AND :last AND search_words.session IN :among",
    # of words PostgreSQL has no statistics (step 0007) and takes each for a rare one: OFFSET 0 has it begin
    # at these rows too, instead of looking up all that everybody ever said
    "postgresql": "SELECT session, seq FROM"
    " (SELECT session, seq, words FROM search_words WHERE session IN :among OFFSET 0) AS theirs"
    " WHERE words @@ CAST(CAST(:search AS TEXT) AS tsquery)",
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


async def indexed_by_older_rules(db: AsyncConnection) -> list[dict[str, Any]]:
    """Some segments that a program with older rules has indexed, as their rows should be."""
    here = and_(segments.c.session == search_words.c.session, segments.c.seq == search_words.c.seq)
    found = await db.execute(
        select(segments.c.session, segments.c.seq, segments.c.text)
        .join(search_words, here)
        .where(search_words.c.folding < FOLDING)
        .order_by(search_words.c.folding, search_words.c.id)
        .limit(REINDEXED)
    )
    dialect = db.dialect.name
    return [{"session": row.session, "seq": row.seq, "words": indexed(dialect, row.text)} for row in found]


async def index_anew(db: AsyncConnection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Put the words of `indexed_by_older_rules` in their places; what was erased meanwhile has none."""
    await db.execute(_UPDATES[db.dialect.name], rows)


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


def hits(db: AsyncConnection, search: Search) -> CTE:
    """Session and seq of the segments that hold all of it."""
    found = text(_HITS[db.dialect.name]).bindparams(search=_sought(db.dialect.name, search))
    return found.columns(session=Text, seq=BigInteger).cte("hits")


async def hits_among(db: AsyncConnection, search: Search, among: Sequence[str]) -> CTE:
    """The same of these sessions alone, which takes no longer when there are many others."""
    dialect = db.dialect.name
    within: dict[str, int] = {}
    if dialect == "sqlite":
        ids = search_words.c.id
        here = select(func.min(ids), func.max(ids)).where(search_words.c.session.in_(among))
        first, last = (await db.execute(here)).one()
        within = {"first": first or 0, "last": last or 0}
    found = text(_AMONG[dialect]).bindparams(
        bindparam("among", among, Text, expanding=True), search=_sought(dialect, search), **within
    )
    return found.columns(session=Text, seq=BigInteger).cte("hits")


def _sought(dialect: str, search: Search) -> str:
    """The search as the database's own."""
    if dialect == "sqlite":
        return " ".join(f'"{" ".join(one.words)}"{" *" * one.prefix}' for one in search.phrases)
    return " & ".join(f"({_tsquery(one)})" for one in search.phrases)


def _tsquery(phrase: Phrase) -> str:
    return " <-> ".join(f"'{word}'" for word in phrase.words) + ":*" * phrase.prefix


def first_matches(hits: CTE, page: CTE) -> Select[Any]:
    """The sessions of a page, newest first, with their first segments that match: a row for each of these."""
    said = segments.c
    place = func.row_number().over(partition_by=said.session, order_by=(said.start_seconds, said.seq))
    ranked = (
        select(said.session, said.seq, place.label("place"))
        .select_from(page)
        .join(hits, hits.c.session == page.c.session)
        .join(segments, and_(said.session == hits.c.session, said.seq == hits.c.seq))
        .subquery("ranked")
    )
    first = and_(ranked.c.session == page.c.session, ranked.c.place <= MATCHES_TOLD)
    here = and_(said.session == ranked.c.session, said.seq == ranked.c.seq)
    match = (
        said.seq.label("match_seq"),
        said.start_seconds.label("match_start"),
        said.speaker_label.label("match_speaker"),
        said.text.label("match_text"),
    )
    order = (page.c.started_unix_ms.desc(), page.c.session.desc(), ranked.c.place)
    return select(page, *match).join(ranked, first).join(segments, here).order_by(*order)


def match_of(row: RowMapping) -> Match:
    """What `first_matches` tells of one segment."""
    return Match(row["match_seq"], row["match_start"], row["match_speaker"], row["match_text"])
