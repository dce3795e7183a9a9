"""Connections to the two kinds of database, and the errors each of them can raise."""

from __future__ import annotations

import asyncio
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, event, make_url
from sqlalchemy.engine import URL, ExceptionContext
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

_LOCKED_SECONDS = 0.02
"""Pause between two tries to change the mode of a file that somebody else has open."""

BEGIN_OPTION = "sqlite_begin"
"""Execution option of a connection: how SQLite begins its next transaction."""


@dataclass(frozen=True, slots=True)
class Database:
    """An engine and what is to be known of it."""

    engine: AsyncEngine
    errors: tuple[type[Exception], ...]
    """What its calls raise when the database does not do what it was asked."""
    place: str
    """Where it is, for messages: the URL without password."""
    directory: Path | None = None
    """To be made before the first call; None when there is nothing to make."""


def open_database(database_url: str, timeout_seconds: float) -> Database:
    """An engine that has not connected yet. `timeout_seconds` bounds each wait inside the driver."""
    url = make_url(database_url)
    if url.get_backend_name() == "sqlite":
        return _open_sqlite(url.set(drivername="sqlite+aiosqlite"), timeout_seconds)
    return _open_postgresql(url.set(drivername="postgresql+asyncpg"), timeout_seconds)


def _open_sqlite(url: URL, timeout_seconds: float) -> Database:
    engine = create_async_engine(
        url,
        # None: the driver starts no transaction by itself, `_begin` does
        connect_args={"isolation_level": None, "timeout": timeout_seconds},
        pool_size=3,
        max_overflow=0,
        pool_timeout=timeout_seconds,
        hide_parameters=True,  # they are speech, and errors are logged
    )

    @event.listens_for(engine.sync_engine, "connect")
    def _prepare(connection: Any, _record: object) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.execute("PRAGMA foreign_keys=ON")
        # what is deleted is overwritten: an erased word must not live on in a free page of the file
        cursor.execute("PRAGMA secure_delete=ON")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get(BEGIN_OPTION, "BEGIN"))

    @event.listens_for(engine.sync_engine, "handle_error")
    def _replace(context: ExceptionContext) -> None:
        # one that has met a full, missing or read-only file may keep to that when the file is well again
        error = context.original_exception
        if isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
            context.is_disconnect = True

    return Database(
        engine,
        (SQLAlchemyError, OSError, sqlite3.Error),
        f"SQLite at {url.database}",
        Path(url.database or "").parent,
    )


async def switch_to_wal(engine: AsyncEngine) -> None:
    """Let readers and the writer work side by side from now on: the mode is kept in the file.

    SQLite does not wait for others here, as it does elsewhere; so this tries until they are gone.
    The caller bounds it.
    """
    async with engine.connect() as connection:
        driver = (await connection.get_raw_connection()).driver_connection
        assert driver is not None
        while True:
            try:
                await driver.execute_fetchall("PRAGMA journal_mode=WAL")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                    raise
                await asyncio.sleep(_LOCKED_SECONDS)
            else:
                return


async def empty_wal(engine: AsyncEngine) -> None:
    """Leave nothing in SQLite's write-ahead log: it holds pages as they were before the last change.

    Waits for readers to be done with it, a moment at a time, since writers have to wait meanwhile. The caller
    bounds it. On PostgreSQL there is nothing to do (docs/privacy.md).
    """
    if engine.dialect.name != "sqlite":
        return
    async with engine.connect() as connection:
        driver = (await connection.get_raw_connection()).driver_connection
        assert driver is not None
        [[patience]] = await driver.execute_fetchall("PRAGMA busy_timeout")
        try:
            await driver.execute_fetchall(f"PRAGMA busy_timeout={round(_LOCKED_SECONDS * 1000)}")
            while True:
                [[busy, *_]] = await driver.execute_fetchall("PRAGMA wal_checkpoint(TRUNCATE)")
                if not busy:
                    return
                await asyncio.sleep(_LOCKED_SECONDS)
        finally:
            await driver.execute_fetchall(f"PRAGMA busy_timeout={patience}")


def _open_postgresql(url: URL, timeout_seconds: float) -> Database:
    import asyncpg  # noqa: PLC0415 - a tenth of a second that SQLite's users need not wait

    engine = create_async_engine(
        url,
        connect_args={"timeout": timeout_seconds, "command_timeout": timeout_seconds},
        pool_size=3,
        max_overflow=2,
        pool_timeout=timeout_seconds,
        hide_parameters=True,  # they are speech, and errors are logged
        pool_pre_ping=True,
    )
    errors = (SQLAlchemyError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError)
    return Database(engine, errors, url.render_as_string(hide_password=True))
