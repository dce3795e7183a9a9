"""Connections to the two kinds of database."""

from __future__ import annotations

import asyncio
import sqlite3
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import Connection, event, make_url, text
from sqlalchemy.engine import URL, ExceptionContext
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

_LOCKED_SECONDS = 0.02
"""Pause between two tries to change the mode of a file that somebody else has open."""

BEGIN_OPTION = "sqlite_begin"
"""Execution option of a connection: how SQLite begins its next transaction."""


@dataclass(frozen=True, slots=True)
class Database:
    """An engine and what is to be known of it."""

    engine: AsyncEngine
    place: str
    """Where it is, for messages: the URL without password."""
    directory: Path | None = None
    """To be made before the first call; None when there is nothing to make."""


def open_database(database_url: str, timeout_seconds: float, *, direct: bool = False) -> Database:
    """An engine that has not connected yet. `timeout_seconds` bounds each wait inside the driver.

    `direct` says that no pooler stands before PostgreSQL (`is_direct`).
    """
    url = make_url(database_url)
    if url.get_backend_name() == "sqlite":
        return _open_sqlite(url.set(drivername="sqlite+aiosqlite"), timeout_seconds)
    return _open_postgresql(url.set(drivername="postgresql+asyncpg"), timeout_seconds, direct)


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

    return Database(engine, f"SQLite at {url.database}", Path(url.database or "").parent)


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


async def is_direct(engine: AsyncEngine) -> bool:
    """True when PostgreSQL itself answers on a connection, and not a pooler such as PgBouncer.

    A pooler gives its clients process numbers of its own, for it uses those of PostgreSQL by turns.
    """
    if engine.dialect.name != "postgresql":
        return False
    async with engine.connect() as connection:
        driver: Any = (await connection.get_raw_connection()).driver_connection
        server = await connection.scalar(text("SELECT pg_backend_pid()"))
        return bool(driver.get_server_pid() == server)


def _open_postgresql(url: URL, timeout_seconds: float, direct: bool) -> Database:
    """PostgreSQL, with or without a pooler before it.

    In transaction mode a pooler may give each transaction another server connection, where a prepared
    statement is not known, or another client's has its name. So statements have no name then and are parsed
    anew each time, which costs the worker about as much again as the statement.
    """
    import asyncpg  # noqa: PLC0415 - a tenth of a second that SQLite's users need not wait

    class Connection(asyncpg.Connection):  # type: ignore[misc]
        """SQLAlchemy looks up how JSON is encoded; no column of ours is JSON."""

        async def set_type_codec(self, *_: object, **__: object) -> None:
            """Leave out two questions for each connection."""

    engine = create_async_engine(
        url.set(query={}),
        connect_args={
            **_driver_arguments(url, timeout_seconds),
            "command_timeout": timeout_seconds,
            "connection_class": Connection,
            **({} if direct else _NOTHING_PREPARED),
        },
        pool_size=3,
        max_overflow=2,
        pool_timeout=timeout_seconds,
        hide_parameters=True,  # they are speech, and errors are logged
        pool_pre_ping=True,
    )
    return Database(engine, url.set(query={}).render_as_string(hide_password=True))


_NOTHING_PREPARED = {
    "statement_cache_size": 0,
    "prepared_statement_cache_size": 0,
    "prepared_statement_name_func": str,  # "": no name
}


def _driver_arguments(url: URL, timeout_seconds: float) -> dict[str, Any]:
    """The parameters of the address, which `agent.settings_database` has checked, as asyncpg takes them."""
    parameters = dict(url.normalized_query)
    wanted = {name: values[-1] for name, values in parameters.items()}
    patience = float(wanted.pop("connect_timeout", 0)) or timeout_seconds
    arguments: dict[str, Any] = {"timeout": min(patience, timeout_seconds)}
    if wanted.get("sslrootcert") == "system":
        arguments["ssl"] = ssl.create_default_context()
        del wanted["sslrootcert"]
    if wanted:
        arguments["dsn"] = f"postgresql://?{urlencode(wanted)}"
    return arguments
