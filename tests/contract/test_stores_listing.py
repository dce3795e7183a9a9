"""The list of sessions and the search in them (`agent.store.listing`), asked of every store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, delete, text
from sqlalchemy.ext.asyncio import AsyncConnection

from agent.core.search import parse_search
from agent.store import KINDS, migrations, open_store, search_queries
from agent.store.listing import MATCHES_TOLD, Match, Position, Wanted
from agent.store.protocol import Origin, Store, Stored
from agent.store.sql import SqlStore
from agent.store.tables import items, sessions
from tests.contract.record import BOB, DEGRADED, END, LISTENING, STARTED, gap, segment, sums, texts, window

SQL = ("sqlite", "postgresql")
LIMIT = 10
SOUGHT = ("all", "a*", "then", "on*", "all again", '"the same"', "a* t*", "never", "once never")


@pytest.fixture(params=sorted({*KINDS} - {"postgres"}))
def kind(request: pytest.FixtureRequest) -> str:
    """Each kind of store."""
    found: str = request.param
    return found


@pytest_asyncio.fixture
async def store(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    """An empty one."""
    urls = {"memory": "memory:", "sqlite": f"sqlite:///{tmp_path}/record.db"}
    opened = open_store(urls.get(kind) or request.getfixturevalue("postgres_url"))
    yield opened
    await opened.aclose()


@asynccontextmanager
async def database(store: Store) -> AsyncIterator[AsyncConnection]:
    """The database behind a store, in a transaction."""
    async with cast(SqlStore, store).database.engine.begin() as connection:
        yield connection


def hour(number: int) -> str:
    """When a session started."""
    return f"2026-11-25T{number:02}:00:00Z"


async def make(store: Store, number: int, *said: str, room: str = "room", ended: bool = False) -> str:
    """A session that started in that hour, with these segments."""
    session = f"RM_{number:02}"
    await store.open_session(room, session, hour(number))
    spoken = [Stored(seq, segment(one, float(seq))) for seq, one in enumerate(said, start=1)]
    await store.write(session, 1, [*spoken, *([Stored(len(said) + 1, END)] if ended else [])])
    return session


async def names(store: Store, **wanted: Any) -> list[str]:
    """The sessions that are listed, in order."""
    return [one.info.session for one in await store.list_sessions(Wanted(**{"limit": LIMIT, **wanted}))]


async def found(store: Store, sought: str) -> dict[str, list[int]]:
    """Session -> seqs of the segments that are told."""
    listed = await store.list_sessions(Wanted(LIMIT, search=parse_search(sought)))
    return {one.info.session: [match.seq for match in one.matches] for one in listed}


async def test_the_newest_session_is_the_first(store: Store) -> None:
    """By start, whoever was stored first."""
    assert await names(store) == []
    for number in (2, 3, 1):
        await make(store, number)
    assert await names(store) == ["RM_03", "RM_02", "RM_01"]
    assert await names(store, limit=2) == ["RM_03", "RM_02"]


async def test_a_session_is_listed_as_it_is_found(store: Store) -> None:
    """What `find_session` tells of it; its state is the worst of the room's and its speakers'."""
    await store.open_session("a", "RM_1", STARTED)
    await store.write("RM_1", 1, [Stored(4, LISTENING), Stored(6, DEGRADED), Stored(7, segment())])
    await store.save_accounting("RM_1", 1, [sums()])
    await store.open_session("a", "RM_2", hour(12))
    listed = await store.list_sessions(Wanted(LIMIT))
    assert [one.info for one in listed] == [await store.find_session("a", sid) for sid in ("RM_2", "RM_1")]
    assert [one.info.state for one in listed] == [None, DEGRADED]
    assert listed[1].info.accounting == (sums(),)
    assert listed[1].position == Position(1795600800250, "RM_1")
    assert {(one.matched, one.matches) for one in listed} == {(0, ())}


async def test_filters(store: Store) -> None:
    """Each alone and together."""
    await make(store, 1, room="a", ended=True)
    await make(store, 2, room="a")
    await make(store, 3, room="b", ended=True)
    second, third = [one.position.started_unix_ms for one in await store.list_sessions(Wanted(2))][::-1]
    assert await names(store, room="a") == ["RM_02", "RM_01"]
    assert await names(store, room="A") == []
    assert await names(store, room="a\0") == []
    assert await names(store, ended=True) == ["RM_03", "RM_01"]
    assert await names(store, ended=False) == ["RM_02"]
    assert await names(store, started_from_unix_ms=second) == ["RM_03", "RM_02"]
    assert await names(store, started_before_unix_ms=second) == ["RM_01"]
    assert await names(store, started_from_unix_ms=second, started_before_unix_ms=third) == ["RM_02"]
    assert await names(store, room="a", ended=True, started_from_unix_ms=second) == []


async def test_pages_do_not_shift(store: Store) -> None:
    """Every session once, also of those that started together, while others begin."""
    for session in ("RM_b", "RM_a", "RM_c"):
        await store.open_session("room", session, hour(5))
    await make(store, 4)
    seen: list[str] = []
    before: Position | None = None
    while page := await store.list_sessions(Wanted(2, before=before)):
        seen += [one.info.session for one in page]
        before = page[-1].position
        await make(store, 10 + len(seen))
    assert seen == ["RM_c", "RM_b", "RM_a", "RM_04"]


async def test_what_was_said_is_found(store: Store) -> None:
    """The sessions by start, how many segments match, and the first of them by start."""
    await store.open_session("room", "RM_1", STARTED)
    said = [Stored(seq, segment(f"Kafka, number {seq}", 10.0 - seq, BOB)) for seq in range(1, 7)]
    await store.write("RM_1", 1, [*said, Stored(7, segment("nothing"))])
    await make(store, 9, "Was it kafka?")
    await make(store, 23, "KAFKA! And more of Kafka.")
    listed = await store.list_sessions(Wanted(2, search=parse_search("kafka")))
    assert [(one.info.session, one.matched) for one in listed] == [("RM_23", 1), ("RM_1", 6)]
    assert listed[0].matches == (Match(1, 1.0, "interviewer", "KAFKA! And more of Kafka."),)
    assert listed[1].matches == tuple(
        Match(seq, 10.0 - seq, "candidate", f"Kafka, number {seq}") for seq in (6, 5, 4)
    )
    assert len(listed[1].matches) == MATCHES_TOLD
    rest = Wanted(2, before=listed[-1].position, search=parse_search("kafka"))
    assert [one.info.session for one in await store.list_sessions(rest)] == ["RM_09"]


async def test_search_and_filters_go_together(store: Store) -> None:
    """Of what is found only what passes."""
    await make(store, 1, "kafka", room="a", ended=True)
    await make(store, 2, "kafka", room="a")
    await make(store, 3, "postgres", room="a")
    await make(store, 4, "kafka", room="b")
    kafka = parse_search("kafka")
    assert await names(store, search=kafka, room="a") == ["RM_02", "RM_01"]
    assert await names(store, search=kafka, ended=False) == ["RM_04", "RM_02"]
    assert await names(store, search=parse_search("zookeeper")) == []


@pytest.mark.parametrize("limit", [1, 2, 3, 40])
async def test_pages_of_a_search_are_pieces_of_the_whole(store: Store, limit: int) -> None:
    """Said by all, by some, by the oldest only, in meetings side by side: none is missed, none twice."""
    said: dict[int, list[str]] = {
        number: [
            "all the same",
            *["now and then"] * (number % 5 == 0),
            *["once"] * (number == 1),
            "all again",
        ]
        for number in range(1, 24)
    }
    for number in said:
        await store.open_session(f"room {number % 2}", f"RM_{number:02}", hour(number))
    for seq in range(1, 5):
        for number, texts_of_it in said.items():
            if seq <= len(texts_of_it):
                words = segment(texts_of_it[seq - 1], float(seq))
                await store.write(f"RM_{number:02}", 1, [Stored(seq, words)])
    await store.erase("room 1", "RM_21")
    del said[21]
    for sought, room in [(sought, room) for sought in SOUGHT for room in (None, "room 0", "room 1")]:
        search = parse_search(sought)
        expected = [
            (f"RM_{number:02}", [seq for seq, one in enumerate(said[number], 1) if search.finds(one)])
            for number in sorted(said, reverse=True)
            if room in (None, f"room {number % 2}") and any(search.finds(one) for one in said[number])
        ]
        wanted = Wanted(limit, room=room, search=search)
        listed = []
        while page := await store.list_sessions(wanted):
            listed += page
            wanted = replace(wanted, before=page[-1].position)
        assert [(one.info.session, [match.seq for match in one.matches], one.matched) for one in listed] == [
            (session, seqs[:MATCHES_TOLD], len(seqs)) for session, seqs in expected
        ], sought


SAID = {
    "RM_01": "I don't use Event-Sourcing, it's 100% hype; SELECT * FROM x -- \"quoted\" \\",
    "RM_02": "我喜欢面试，真的。",
    "RM_03": "Wir gingen über die Straße; ça coûte cher à l'été",
    "RM_04": "मुझे हिन्दी भाषा पसंद है",
    "RM_05": "אני אוהב שָׁלוֹם וגם مُحَمَّد",
    "RM_06": "저는 면접을 봤어요",
    "RM_07": "ภาษาไทยสนุก",
}
SEARCHES = {
    "DON’T": ["RM_01"],
    '"event sourcing"': ["RM_01"],
    '"sourcing event"': [],
    "sourc*": ["RM_01"],
    "sourc": [],
    "100%": ["RM_01"],
    "'; DROP TABLE segments; --": [],
    "x OR 1": [],
    "NEAR(a b) words:x ^select {x} - +": [],
    "\\'x\\'": ["RM_01"],
    "select:*": ["RM_01"],
    "面试": ["RM_02"],
    "试面": [],
    "uber STRASSE": ["RM_03"],
    "über strasse ca coute ete": ["RM_03"],
    "हिन्दी": ["RM_04"],
    "हि*": ["RM_04"],
    "हिन्द": [],
    "שלום": ["RM_05"],
    "محمد": ["RM_05"],
    "면접": ["RM_06"],
    "ไทย": ["RM_07"],
    "a " * 100: ["RM_03"],
    '"' * 199 + "x": ["RM_01"],
    "x" * 200: [],
    "": [],
    "—": [],
    '"*"': [],
    "\ufdfa" * 200: [],
}


async def test_any_language_and_any_text(store: Store) -> None:
    """Words of every script; and signs that mean something to a database mean nothing here."""
    for number, said in enumerate(SAID.values(), start=1):
        await make(store, number, said)
    assert {sought: [*await found(store, sought)] for sought in SEARCHES} == SEARCHES


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(spoken=texts | st.sampled_from([*SAID.values()]), sought=texts | st.sampled_from([*SEARCHES]))
async def test_stores_find_what_the_words_say(store: Store, spoken: str, sought: str) -> None:
    """Any text and any search: what the databases find is what `agent.core.search` finds."""
    last = await store.open_session("room", "RM_1", STARTED)
    await store.write("RM_1", last.epoch, [Stored(last.last_seq + 1, segment(spoken))])
    for one in (spoken, sought):
        search = parse_search(one)
        seqs = [seq for seq, said in await store.segments("RM_1") if search.finds(said.text)]
        listed = await store.list_sessions(Wanted(1, search=search))
        assert [row.matched for row in listed] == ([len(seqs)] if seqs else [])


async def test_no_text_is_too_long_for_the_index(store: Store) -> None:
    """However long a segment is, it is stored, and its beginning is found."""
    endless = (" ".join(f"word{number}" for number in range(120_000)), "x" * 1_200_000, "y " * 600_000)
    await store.open_session("room", "RM_1", STARTED)
    for seq, one in enumerate(endless, start=1):
        await store.write("RM_1", 1, [Stored(seq, replace(segment("few"), text=one))])
    assert await found(store, "word999") == {"RM_1": [1]}
    assert await found(store, "x*") == {"RM_1": [2]}
    assert await found(store, '"y y"') == {"RM_1": [3]}


async def test_every_way_of_writing_is_indexed(store: Store) -> None:
    """The first writer, one whose session was never opened, a spool behind a successor, the successor."""
    origin = Origin("room", "RM_1", STARTED, 0, "spool")
    await store.import_items(origin, [Stored(1, segment("one alpha", 1.0)), Stored(2, gap())])
    await store.open_session("room", "RM_1", STARTED)
    await store.write("RM_1", 1, [Stored(3, segment("two alpha", 2.0)), Stored(4, window(text="alpha"))])
    await store.open_session("room", "RM_1", STARTED)
    await store.import_items(
        Origin("room", "RM_1", STARTED, 1), [Stored(5, segment("three alpha", 3.0)), Stored(6, LISTENING)]
    )
    await store.write("RM_1", 2, [Stored(7, segment("four alpha", 4.0)), Stored(7, segment("again alpha"))])
    listed = await store.list_sessions(Wanted(LIMIT, search=parse_search("alpha")))
    assert [one.matched for one in listed] == [4]
    assert await found(store, "four") == {"RM_1": [7]}
    assert await found(store, "again") == {}


async def test_what_is_written_again_is_found_once(store: Store) -> None:
    """A repeated write or import leaves the index as it is."""
    await make(store, 1, "alpha")
    await store.write("RM_01", 1, [Stored(1, segment("alpha beta"))])
    await store.import_items(Origin("room", "RM_01", hour(1), 1), [Stored(1, segment("alpha"))])
    listed = await store.list_sessions(Wanted(LIMIT, search=parse_search("alpha")))
    assert [one.matched for one in listed] == [1]
    assert await found(store, "beta") == {}


async def words_left(connection: AsyncConnection) -> list[str]:
    """Every word in the index."""
    if connection.dialect.name == "sqlite":
        await connection.execute(
            text("CREATE VIRTUAL TABLE temp.words USING fts5vocab('main', 'search_index', 'row')")
        )
        rows = await connection.execute(text("SELECT term FROM temp.words ORDER BY term"))
        left = list(rows.scalars())
        await connection.execute(text("DROP TABLE temp.words"))
        await connection.execute(
            text("INSERT INTO search_index (search_index, rank) VALUES ('integrity-check', 1)")
        )
        return left
    rows = await connection.execute(
        text("SELECT word FROM ts_stat('SELECT words FROM search_words') ORDER BY word COLLATE \"C\"")
    )
    return list(rows.scalars())


@pytest.mark.parametrize("kind", SQL, indirect=True)
@pytest.mark.parametrize("table", [sessions, items])
async def test_words_go_with_their_segments(store: Store, table: Any) -> None:
    """Whatever deletes a segment, a row of its session or of its item, takes its words out of the index."""
    await make(store, 1, "alpha beta")
    await make(store, 2, "beta gamma")
    async with database(store) as connection:
        await connection.execute(delete(table).where(table.c.session == "RM_01"))
    assert await found(store, "alpha") == {}
    assert await found(store, "beta") == {"RM_02": [1]}
    async with database(store) as connection:
        assert await words_left(connection) == ["beta", "gamma"]
    await make(store, 3, "alpha")
    assert await found(store, "alpha") == {"RM_03": [1]}


async def test_forgotten_words_leave_no_trace(tmp_path: Path) -> None:
    """Nothing of a deleted segment is in any byte of SQLite's tables of the index."""
    opened = SqlStore(f"sqlite:///{tmp_path}/record.db")
    for number in range(1, 23):
        await make(opened, number, "alpha " * number, f"swordfish{number}")
    async with database(opened) as connection:
        await connection.execute(delete(sessions).where(sessions.c.session != "RM_02"))

    async def traces() -> int:
        async with database(opened) as connection:
            blocks = (await connection.execute(text("SELECT block FROM search_index_data"))).scalars()
            kept = (await connection.execute(text("SELECT words FROM search_words"))).scalars()
            return b"".join([*blocks, *(one.encode() for one in kept)]).count(b"wordfish")

    assert await traces() > 1, "FTS5 keeps them until it merges: or this test proves nothing"
    async with database(opened) as connection:
        await search_queries.forget_words(connection)
    assert await traces() <= 2, "words of deleted segments are left"
    assert [*await found(opened, "swordfish*")] == ["RM_02"]
    await opened.aclose()


@pytest.mark.parametrize("kind", SQL, indirect=True)
async def test_the_step_goes_down_and_up(store: Store) -> None:
    """The index is made again from what was said before; nothing else is touched."""
    session = await make(store, 1, "alpha beta", "面试", "", ended=True)
    before = await store.items(session)
    async with database(store) as connection:
        await connection.run_sync(_migrate, "downgrade", "0003")
    assert await store.items(session) == before
    async with database(store) as connection:
        tables = await connection.run_sync(lambda sync: sync.dialect.get_table_names(sync))
        assert [name for name in tables if name.startswith("search")] == []
        await connection.run_sync(_migrate, "upgrade", "head")
    assert await store.items(session) == before
    assert await found(store, "beta") == {session: [1]}
    assert await found(store, "试") == {session: [2]}
    await make(store, 2, "alpha")
    assert [*await found(store, "alpha")] == ["RM_02", session]


def _migrate(connection: Connection, direction: str, revision: str) -> None:
    from alembic import command  # noqa: PLC0415 - slow to load
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.attributes["connection"] = connection
    getattr(command, direction)(config, revision)


SAID_AND_SOUGHT = [
    ("Işık var", "işık"),
    ("Işık var", "ışık"),
    ("Işık var", "ISIK"),
    ("DİYARBAKIR'da", "diyarbakır"),
    ("Diyarbakır", "DİYARBAKIR"),
    ("Đà Nẵng", "da nang"),
    ("Łódź", "lodz"),
    ("Lodz", "ŁÓDŹ"),
    ("Gdańsk, źdźbło", "zdzblo"),
    ("Ħal Għaxaq", "hal ghaxaq"),
    ("Søren Kierkegård", "soren kierkegard"),
    ("Æsir und Œuvre", "aesir oeuvre"),
    ("Қазақстан", "казакстан"),
    ("Ґанок, ӣ", "ганок и"),
]
"""What somebody said, and how somebody else types it."""


async def test_letters_of_other_keyboards_are_found(store: Store) -> None:
    """Strokes, hooks, dots and the dotless i make no difference, in the index and in what is sought."""
    for number, (said, sought) in enumerate(SAID_AND_SOUGHT):
        session = await make(store, number, said, "something else")
        for typed in (sought, said):
            assert session in await names(store, limit=100, search=parse_search(typed)), typed


async def test_what_an_older_program_indexed_is_indexed_anew(url: str) -> None:
    """All of it, in steps; also what it adds during a roll-out, with the words as it folded them."""
    store = SqlStore(url)
    try:
        for number in range(3):
            await make(store, number, *["Łódź"] * 300)
        assert await store.index_anew() is True
        old = indexed_before(store.database.engine.dialect.name)
        async with store.database.engine.begin() as connection:
            await connection.execute(text(f"UPDATE search_words SET words = {old}, folding = 1"))
        assert await names(store, search=parse_search("Łódź")) == []
        assert await store.index_anew() is False
        while not await store.index_anew():
            pass
        assert len(await names(store, search=parse_search("lodz"))) == 3
        assert len(await names(store, search=parse_search("łodz"))) == 3
    finally:
        await store.aclose()


def indexed_before(dialect: str) -> str:
    """What the rules of before made of Łódź, as SQL."""
    return "'łodz'" if dialect == "sqlite" else "CAST('''łodz''\\:1' AS tsvector)"


async def test_an_older_program_adds_words_to_newer_tables(url: str) -> None:
    """It does not know of `folding`: its rows are those of the first rules."""
    store = SqlStore(url)
    try:
        await make(store, 1, "Łódź")
        async with store.database.engine.begin() as connection:
            await connection.execute(text("DELETE FROM search_words"))
            old = indexed_before(connection.dialect.name)
            await connection.execute(
                text(f"INSERT INTO search_words (session, seq, words) VALUES ('RM_01', 1, {old})")
            )
        assert await store.index_anew() is False
        assert await names(store, search=parse_search("lodz")) == ["RM_01"]
    finally:
        await store.aclose()
