"""Brings a database to the tables of `agent.store.tables`; quick when it is there already.

One file in `versions/` for each step, run by Alembic. The step's `revision` of the newest is `HEAD`. Each
step also goes back, and says what is lost by it; `tests/contract/test_migrations.py` goes all ways.
Processes that start at once wait for each other: the first one migrates, the others find nothing to do.

Programs of two versions share the tables during a roll-out, so a step only adds: tables, and columns that
are nullable or have a default in the database. The programs of before know nothing of them and go on.
To rename or remove something, expand first (add the new form; the program writes both and reads the new
one) and contract in a later version: that step sets `compatibility.oldest` to the step whose programs no
longer use the old form. A program whose own `HEAD` is older than that refuses the tables; any other uses
them, however new they are.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncEngine

from agent.errors import StoreError
from agent.store.engine import BEGIN_OPTION, switch_to_wal

if TYPE_CHECKING:
    from alembic.config import Config

HEAD = "0011"
"""Revision of the newest step."""

_TURN = threading.Lock()
"""Alembic keeps its context in module globals: one migration at a time in a process."""
TURN_POLL_SECONDS = 0.02

_LOCK = 0x7472616E73637269
"""Key of the advisory lock on PostgreSQL; nobody else's."""


async def read_version(engine: AsyncEngine) -> str | None:
    """The revision a database is at; None when it is new."""
    async with engine.connect() as connection:
        return await connection.run_sync(_read_version)


async def is_usable(engine: AsyncEngine) -> bool:
    """True when there is nothing to do: the tables are those of `HEAD`, or newer ones that only added."""
    async with engine.connect() as connection:
        return await connection.run_sync(_is_usable)


async def upgrade(engine: AsyncEngine) -> None:
    """Run the steps that are missing, in one transaction.

    Raises:
        StoreError: a newer program has taken away what this one needs, or the database is not one of ours.
    """
    await _in_turn(engine, _upgrade)


async def downgrade(engine: AsyncEngine, revision: str) -> None:
    """Undo the steps after `revision` ("base": all of them), in one transaction.

    Raises:
        StoreError: no step has this name, or the database is not at a later one.
    """
    await _in_turn(engine, partial(_downgrade, revision))


def undone_by(revision: str) -> list[tuple[str, str]]:
    """The steps that `downgrade` to `revision` undoes, newest first, and what is lost by each.

    Raises:
        StoreError: no step has this name.
    """
    from alembic.script import ScriptDirectory  # noqa: PLC0415 - slow to load

    steps = list(ScriptDirectory(str(Path(__file__).parent)).walk_revisions())
    known = [str(step.down_revision or "base") for step in steps]
    if revision not in known:
        raise StoreError(f"no step is called {revision!r}; there are {', '.join(reversed(known))}")
    undone = steps[: known.index(revision) + 1]
    return [(step.revision, str(step.module.downgrade.__doc__).strip()) for step in undone]


async def _in_turn(engine: AsyncEngine, run: Callable[[Connection], None]) -> None:
    # it takes most of a second to load: only when there is something to do, and not on the event loop
    await asyncio.to_thread(import_module, "alembic.command")
    if engine.dialect.name == "sqlite":
        await switch_to_wal(engine)
    # held across event loops, so no lock or event of asyncio
    while not _TURN.acquire(blocking=False):  # noqa: ASYNC110
        await asyncio.sleep(TURN_POLL_SECONDS)
    try:
        async with engine.connect() as connection:
            await connection.execution_options(**{BEGIN_OPTION: "BEGIN IMMEDIATE"})
            async with connection.begin():
                await connection.run_sync(run)
    finally:
        _TURN.release()


def _read_version(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()


def _read_oldest(connection: Connection) -> str | None:
    if not inspect(connection).has_table("compatibility"):
        return None
    return connection.execute(text("SELECT oldest FROM compatibility")).scalar_one_or_none()


def _is_usable(connection: Connection) -> bool:
    version = _read_version(connection)
    if version is None or version <= HEAD:
        return version == HEAD
    oldest = _read_oldest(connection)
    return oldest is not None and oldest <= HEAD


def _upgrade(connection: Connection) -> None:
    from alembic import command  # noqa: PLC0415 - loaded by `_in_turn`
    from alembic.util import CommandError  # noqa: PLC0415

    config = _locked(connection)
    if _is_usable(connection):
        return
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        oldest = _read_oldest(connection)
        needs = f"it needs a program that knows step {oldest}, and this one ends at {HEAD}"
        raise StoreError(
            "this database is not one of ours, or was changed by a newer program"
            f" ({needs if oldest else error}); update this program"
        ) from error


def _downgrade(revision: str, connection: Connection) -> None:
    from alembic import command  # noqa: PLC0415 - loaded by `_in_turn`
    from alembic.util import CommandError  # noqa: PLC0415

    config = _locked(connection)
    try:
        command.downgrade(config, revision)
    except CommandError as error:
        raise StoreError(f"this database cannot go back to {revision} ({error})") from error


def _locked(connection: Connection) -> Config:
    """Nobody else's steps run until the transaction is over."""
    from alembic.config import Config  # noqa: PLC0415 - loaded by `_in_turn`

    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
