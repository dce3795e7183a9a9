"""A roll-out: programs of two versions share the tables, of which the newer ones have made more."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import Connection, inspect, text

from agent.core.fields import fields_of, item_from, type_of
from agent.core.model import Gap, Reason, State, Status
from agent.core.succession import Mark, Marks
from agent.errors import StoreError
from agent.store import migrations
from agent.store.protocol import Stored
from agent.store.sql import SqlStore
from tests.contract.record import ADA, END, STARTED, gap, segment, sums, window

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

NEWER = "9001"
"""A step of a program that does not exist yet."""

FIRST_THAT_ONLY_ADDS = "0008"

ADDED = (
    "ALTER TABLE sessions ADD COLUMN mood TEXT",
    "ALTER TABLE items ADD COLUMN weight DOUBLE PRECISION NOT NULL DEFAULT 0.5",
    "ALTER TABLE gaps ADD COLUMN share DOUBLE PRECISION NOT NULL DEFAULT 0",
    "ALTER TABLE segments ADD COLUMN accent TEXT",
    "ALTER TABLE accounting ADD COLUMN lost_seconds DOUBLE PRECISION NOT NULL DEFAULT 0",
    "CREATE TABLE verdicts (session TEXT NOT NULL, seq BIGINT NOT NULL, text TEXT NOT NULL)",
    f"UPDATE alembic_version SET version_num = '{NEWER}'",
)
"""What its step does."""


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[SqlStore]:
    """A store as a program that starts has it."""
    store = SqlStore(url)
    try:
        yield store
    finally:
        await store.aclose()


async def run(url: str, *statements: str) -> None:
    """What a newer program does to the database."""
    async with opened(url) as store:
        await store.migrate()
        async with store.database.engine.begin() as connection:
            for statement in statements:
                await connection.execute(text(statement))


async def test_an_old_worker_writes_a_new_meeting_into_newer_tables(url: str) -> None:
    """Tables that were only added to are used as they are: a whole session is stored and read."""
    await run(url, *ADDED)
    said = [Stored(seq, item) for seq, item in enumerate([segment("some words"), gap(), window(), END], 1)]
    async with opened(url) as store:
        epoch = (await store.open_session("room", "RM_1", STARTED)).epoch
        assert await store.write("RM_1", epoch, said) == [1, 2, 3, 4]
        await store.save_speakers("RM_1", epoch, [ADA])
        await store.save_accounting("RM_1", epoch, [sums(ADA)])
        await store.beat("RM_1", epoch, Marks(12.5, (Mark(ADA, "TR_1", 11.25),)))
        assert await store.items("RM_1") == said
        assert await migrations.read_version(store.database.engine) == NEWER


async def test_tables_that_lack_something_are_refused(url: str) -> None:
    """A newer program has contracted: one that still uses what is gone must not touch the record."""
    await run(url, *ADDED, f"UPDATE compatibility SET oldest = '{NEWER}'")
    async with opened(url) as store:
        with pytest.raises(StoreError, match=f"knows step {NEWER}, and this one ends at {migrations.HEAD}"):
            await store.migrate()


async def test_a_database_of_somebody_else_is_refused(url: str) -> None:
    """A step that is not ours, and no word of who may use the tables."""
    await run(url, "DROP TABLE compatibility", "UPDATE alembic_version SET version_num = 'ae1027a6acf'")
    async with opened(url) as store:
        with pytest.raises(StoreError, match="is not one of ours"):
            await store.migrate()


async def test_words_of_a_newer_program_are_passed_on(url: str) -> None:
    """Reasons, states and figures that are not known here yet; items of a new type are left out."""
    async with opened(url) as store:
        epoch = (await store.open_session("room", "RM_1", STARTED)).epoch
        await store.write(
            "RM_1", epoch, [Stored(1, gap()), Stored(2, Status(State.DEGRADED)), Stored(3, window())]
        )
        await store.write("RM_1", epoch, [Stored(4, END), Stored(5, segment("later"))])
    turns = json.dumps(
        [{"speaker": {**speaker(), "mood": 1}, "start": 0.0, "end": 1.0, "text": "a", "new": 2}]
    )
    figures = json.dumps([{"speaker": speaker(), "heard": 2.0, "lost": 1.0}])
    await run(
        url,
        *ADDED,
        "UPDATE gaps SET reason = 'solar_flare'",
        "UPDATE states SET state = 'dreaming', reason = 'too_late'",
        f"UPDATE windows SET turns = '{turns}'",
        f"UPDATE ends SET accounting = '{figures}'",
        "UPDATE items SET type = 'verdict' WHERE seq = 5",
    )
    async with opened(url) as store:
        items = [stored.item for stored in await store.items("RM_1")]
        assert await store.items("RM_1", after=4) == []
        assert [one.reason for _, one in await store.gaps("RM_1")] == ["solar_flare"]
    found, status, said, end = items
    assert isinstance(found, Gap)
    assert isinstance(status, Status)
    assert (found.reason.value, status.state.value) == ("solar_flare", "dreaming")
    assert status.reason is not None
    assert fields_of(said)["turns"][0]["text"] == "a"
    assert fields_of(end)["accounting"][0]["heard"] == 2.0
    for item in items:
        assert item_from(type_of(item), fields_of(item)) == item


def speaker() -> dict[str, Any]:
    """A speaker as JSON."""
    return {"identity": "ada", "name": "Ada", "role": "", "label": "Ada"}


@pytest.mark.parametrize("text", ["", "Solar flare", "solar-flare", "x" * 65, 7, None])
def test_what_is_not_such_a_word_stays_an_error(text: object) -> None:
    """Damage is not taken for news."""
    with pytest.raises(ValueError, match="is not a valid Reason"):
        Reason(text)


Tables = Mapping[str, Mapping[str, tuple[str, bool, object]]]
"""Table -> column -> kind, nullable, default."""


def tables_of(connection: Connection) -> Tables:
    """All columns there are."""
    found = inspect(connection)
    return {
        table: {
            column["name"]: (str(column["type"]), bool(column["nullable"]), column["default"])
            for column in found.get_columns(table)
        }
        for table in found.get_table_names()
    }


def taken_away(before: Tables, after: Tables) -> list[str]:
    """What programs of before would miss, or could not know."""
    faults = [f"{table} is gone" for table in before if table not in after]
    for table, columns in before.items():
        now = after.get(table, {})
        faults += [
            f"{table}.{name} changed" for name, kind in columns.items() if now and now.get(name) != kind
        ]
        new = {name: kind for name, kind in now.items() if name not in columns}
        faults += [
            f"{table}.{name} must be given"
            for name, (_, nullable, default) in new.items()
            if not nullable and default is None
        ]
    return faults


def test_what_counts_as_taken_away() -> None:
    """A column renamed, made of another kind, or asked of everybody who inserts; a table dropped."""
    before = {"a": {"x": ("TEXT", True, None), "y": ("TEXT", False, None)}, "b": {"z": ("TEXT", True, None)}}
    after = {"a": {"x": ("INTEGER", True, None), "w": ("TEXT", False, None), "v": ("TEXT", False, "''")}}
    assert taken_away(before, after) == ["b is gone", "a.x changed", "a.y changed", "a.w must be given"]
    assert taken_away(before, before) == []


async def test_steps_only_add(url: str) -> None:
    """So that the programs of before go on during a roll-out; one that contracts names OLDEST."""
    steps = sorted(path.stem for path in (Path(migrations.__file__).parent / "versions").glob("r[0-9]*.py"))
    async with opened(url) as store:
        await store.migrate()
        engine = store.database.engine
        async with engine.connect() as connection:
            after = await connection.run_sync(tables_of)
        for name in reversed(steps):
            step = importlib.import_module(f"agent.store.migrations.versions.{name}")
            if step.revision < FIRST_THAT_ONLY_ADDS:
                break
            await migrations.downgrade(engine, step.down_revision)
            async with engine.connect() as connection:
                before = await connection.run_sync(tables_of)
            assert hasattr(step, "OLDEST") or taken_away(before, after) == [], name
            after = before
