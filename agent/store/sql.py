"""The record in SQLite or PostgreSQL: readiness, time limits and errors around `agent.store.queries`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Concatenate, ParamSpec, TypeVar

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from agent.core.model import Accounting, End, Gap, Segment, Speaker, Status, Window
from agent.core.succession import Marks
from agent.core.supervision import Watched
from agent.core.text import clean_text
from agent.errors import SettingsError, StoreError
from agent.store import (
    delivery_queries,
    erasure_queries,
    listing_queries,
    migrations,
    queries,
    search_queries,
    supervision_queries,
)
from agent.store.clean import check_items, clean
from agent.store.dates import unix_ms
from agent.store.deliveries import Delivery
from agent.store.engine import empty_wal, is_direct, open_database
from agent.store.erasure import Expired, Tombstone
from agent.store.listing import Listed, Wanted
from agent.store.memory import MemoryStore
from agent.store.protocol import Imported, Opened, Origin, RoomLife, SessionInfo, Store, Stored
from agent.store.supervision import Abandoned, Duty

P = ParamSpec("P")
T = TypeVar("T")

CLEAN_SECONDS = 15.0
"""How long one erasing may work on the search index; the next one goes on with it."""
MIGRATION_SECONDS = 60.0
"""Longest wait for the tables: another process may be changing them."""


class SqlStore:
    """See `agent.store.protocol.Store`. Connects, and migrates, at the first call."""

    def __init__(self, database_url: str, *, timeout_seconds: float = 5.0) -> None:
        """`timeout_seconds` bounds every call; waiting for another process's write is part of it."""
        self._database_url = database_url
        self._timeout_seconds = timeout_seconds
        # the driver gives up first, so that its own, better explained error is the one that is seen
        self._driver_seconds = timeout_seconds * 0.8
        self.database = open_database(database_url, self._driver_seconds)
        """Engine and place."""
        self._ready = False
        self._getting_ready = asyncio.Lock()

    async def migrate(self) -> None:
        """See `Reader.migrate`."""
        async with self._getting_ready:
            if self._ready:
                return
            with self._translated():
                if self.database.directory:
                    # transcripts are private: nobody else may list them
                    self.database.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
                async with asyncio.timeout(self._timeout_seconds):
                    usable = await migrations.is_usable(self.database.engine)
                if not usable:
                    async with asyncio.timeout(MIGRATION_SECONDS):
                        await migrations.upgrade(self.database.engine)
                async with asyncio.timeout(self._timeout_seconds):
                    await self._open_faster()
            self._ready = True

    async def index_anew(self) -> bool:
        """See `Reader.index_anew`."""
        rows = await self._run(search_queries.indexed_by_older_rules)
        if rows:
            # in a transaction of its own: SQLite turns no reader into a writer while others write
            await self._run(search_queries.index_anew, rows)
        return not rows

    async def _open_faster(self) -> None:
        """Let statements be prepared, unless a pooler forbids it."""
        if await is_direct(self.database.engine):
            first, self.database = (
                self.database,
                open_database(self._database_url, self._driver_seconds, direct=True),
            )
            await first.engine.dispose()

    async def downgrade(self, revision: str) -> None:
        """Undo the steps of the tables after `revision`; see `agent.store.migrations`."""
        with self._translated():
            async with asyncio.timeout(MIGRATION_SECONDS):
                await migrations.downgrade(self.database.engine, revision)

    async def open_session(self, room: str, session: str, started_at: str) -> Opened:
        """See `Writer.open_session`."""
        unix_ms(started_at)
        return await self._run(
            supervision_queries.open_session, clean_text(room), clean_text(session), clean_text(started_at)
        )

    async def write(self, session: str, epoch: int, items: Sequence[Stored]) -> list[int]:
        """See `Writer.write`."""
        check_items(items)
        return await self._run(queries.write, clean_text(session), epoch, [clean(one) for one in items])

    async def import_items(self, origin: Origin, items: Sequence[Stored]) -> Imported:
        """See `Writer.import_items`."""
        check_items(items)
        return await self._run(queries.import_items, clean(origin), [clean(one) for one in items])

    async def save_speakers(self, session: str, epoch: int, speakers: Sequence[Speaker]) -> None:
        """See `Writer.save_speakers`."""
        await self._run(queries.save_speakers, clean_text(session), epoch, clean(tuple(speakers)))

    async def save_accounting(self, session: str, epoch: int, sums: Sequence[Accounting]) -> None:
        """See `Writer.save_accounting`."""
        await self._run(queries.save_accounting, clean_text(session), epoch, clean(tuple(sums)))

    async def find_session(self, room: str, session: str | None = None) -> SessionInfo | None:
        """See `Reader.find_session`."""
        named = None if session is None else clean_text(session)
        return await self._run(queries.find_session, clean_text(room), named)

    async def lives(self, room: str, since: str | None = None) -> list[RoomLife]:
        """See `Reader.lives`."""
        named = None if since is None else clean_text(since)
        return await self._run(queries.lives, clean_text(room), named)

    async def items(self, session: str, after: int = 0, limit: int = 1000) -> list[Stored]:
        """See `Reader.items`."""
        return await self._run(queries.read_items, clean_text(session), after, limit)

    async def segments(self, session: str, after: int = 0) -> list[tuple[int, Segment]]:
        """See `Reader.segments`."""
        return await self._run(queries.read_segments, clean_text(session), after)

    async def windows(self, session: str) -> list[tuple[int, Window]]:
        """See `Reader.windows`."""
        return await self._run(queries.read_windows, clean_text(session))

    async def gaps(self, session: str) -> list[tuple[int, Gap]]:
        """See `Reader.gaps`."""
        return await self._run(queries.read_gaps, clean_text(session))

    async def statuses(self, session: str) -> list[tuple[int, Status]]:
        """See `Reader.statuses`."""
        return await self._run(queries.read_statuses, clean_text(session))

    async def end_of(self, session: str) -> End | None:
        """See `Reader.end_of`."""
        return await self._run(queries.read_end, clean_text(session))

    async def list_sessions(self, wanted: Wanted) -> list[Listed]:
        """See `Listing.list_sessions`."""
        return await self._run(listing_queries.list_sessions, clean(wanted))

    async def erase(self, room: str, session: str | None = None) -> Tombstone | None:
        """See `Erasing.erase`."""
        named = None if session is None else clean_text(session)
        tombstone = await self._run(erasure_queries.erase, clean_text(room), named)
        if tombstone is not None:
            try:
                async with asyncio.timeout(CLEAN_SECONDS):
                    while not await self._run(search_queries.forget_words):
                        pass
            except TimeoutError as error:
                raise StoreError(f"{self.database.place}: its search index is not clean yet") from error
            with self._translated():
                async with asyncio.timeout(self._timeout_seconds):
                    await empty_wal(self.database.engine)
        return tombstone

    async def expired(self, before: str, limit: int) -> list[Expired]:
        """See `Erasing.expired`."""
        return await self._run(erasure_queries.expired, before, limit)

    async def may_erase_expired(self, holder: str, seconds: float) -> bool:
        """See `Erasing.may_erase_expired`."""
        return await self._run(erasure_queries.may_erase_expired, holder, seconds)

    async def beat(self, session: str, epoch: int, marks: Marks | None) -> None:
        """See `Supervision.beat`."""
        kept = None if marks is None else clean(marks)
        await self._run(supervision_queries.beat, clean_text(session), epoch, kept)

    async def leave(self, session: str, epoch: int) -> None:
        """See `Supervision.leave`."""
        await self._run(supervision_queries.leave, clean_text(session), epoch)

    async def release(self, session: str, epoch: int, marks: Marks) -> None:
        """See `Supervision.release`."""
        await self._run(supervision_queries.release, clean_text(session), epoch, clean(marks))

    async def announce(self, session: str) -> None:
        """See `Supervision.announce`."""
        await self._run(supervision_queries.announce, clean_text(session))

    async def arrive(self, session: str) -> None:
        """See `Supervision.arrive`."""
        await self._run(supervision_queries.arrive, clean_text(session))

    async def watched(self, sessions: Sequence[str]) -> dict[str, Watched]:
        """See `Supervision.watched`."""
        return await self._run(supervision_queries.watched, [clean_text(one) for one in sessions])

    async def call(self, session: str, stamp: int, calls: int) -> bool:
        """See `Supervision.call`."""
        return await self._run(supervision_queries.call, clean_text(session), stamp, calls)

    async def abandoned(self, silent_seconds: float) -> list[Abandoned]:
        """See `Supervision.abandoned`."""
        return await self._run(supervision_queries.abandoned, silent_seconds)

    async def check_in(self, supervisor: str, agent_name: str, *, takes_jobs: bool, may_lead: bool) -> Duty:
        """See `Supervision.check_in`."""
        return await self._run(supervision_queries.check_in, supervisor, agent_name, takes_jobs, may_lead)

    async def check_out(self, supervisor: str) -> None:
        """See `Supervision.check_out`."""
        await self._run(supervision_queries.check_out, supervisor)

    async def takers(self, agent_name: str) -> int:
        """See `Supervision.takers`."""
        return await self._run(supervision_queries.takers, agent_name)

    async def claim_deliveries(self, courier: str, limit: int, hold_seconds: float) -> list[Delivery]:
        """See `Deliveries.claim_deliveries`."""
        wanted = await self._run(delivery_queries.due, limit)
        # in a transaction of its own: SQLite turns no reader into a writer while others write
        return await self._run(delivery_queries.claim, wanted, courier, hold_seconds) if wanted else []

    async def next_to_deliver(self, session: str, after: int) -> Stored | None:
        """See `Deliveries.next_to_deliver`."""
        return await self._run(delivery_queries.next_to_deliver, clean_text(session), after)

    async def note_delivery(
        self, courier: str, delivery: Delivery, *, hold_seconds: float = 0.0, pause_seconds: float = 0.0
    ) -> bool:
        """See `Deliveries.note_delivery`."""
        return await self._run(delivery_queries.note, courier, clean(delivery), hold_seconds, pause_seconds)

    async def release_deliveries(self, courier: str) -> None:
        """See `Deliveries.release_deliveries`."""
        await self._run(delivery_queries.release, courier)

    async def aclose(self) -> None:
        """Release connections; safe to call twice."""
        with suppress(TimeoutError):  # a database that does not answer does not even say goodbye
            async with asyncio.timeout(self._timeout_seconds):
                await self.database.engine.dispose()

    async def _run(
        self,
        query: Callable[Concatenate[AsyncConnection, P], Awaitable[T]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """One query in one transaction, within the time limit."""
        if not self._ready:
            await self.migrate()
        with self._translated():
            async with asyncio.timeout(self._timeout_seconds), self.database.engine.begin() as connection:
                return await query(connection, *args, **kwargs)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Whatever the database or its driver raises becomes a StoreError with the place and the cause.

        A boundary: an error of a kind that nobody foresaw, raised by a driver that meets something new, must
        not end a meeting whose words can go on live and into the spool.
        """
        try:
            yield
        except StoreError:
            raise
        except TimeoutError as error:
            raise StoreError(
                f"{self.database.place} did not answer within {self._timeout_seconds:g} s"
            ) from error
        except Exception as error:
            raise StoreError(f"{self.database.place}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """The database's own words, without the statement and its values: they may be speech."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
    first_line = str(cause).partition("\n")[0]
    return f"{type(cause).__name__}: {first_line[:200]}"


def open_sql(database_url: str) -> Store:
    """A store on a database; SQLite without a file is kept by this process anyway, so it is a MemoryStore.

    Raises:
        SettingsError: the URL cannot be read.
    """
    try:
        url = make_url(database_url)
    except (ArgumentError, ValueError) as error:
        raise SettingsError(
            "DATABASE_URL cannot be read; write postgresql://user:password@host/database"
        ) from error
    if url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:"):
        return MemoryStore()
    return SqlStore(database_url)
