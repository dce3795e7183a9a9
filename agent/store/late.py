"""A reader of the record that loads the database's library when it is first asked."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from agent.core.model import End, Gap, Segment, Status, Window
from agent.core.supervision import Watched
from agent.errors import SettingsError, StoreError
from agent.store import open_store
from agent.store.erasure import Expired, Tombstone
from agent.store.listing import Listed, Wanted
from agent.store.protocol import Record, RoomLife, SessionInfo, Stored


class LateReader:
    """See `agent.store.protocol.Record`. Loading takes half a second: a service listens first, then loads."""

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url
        self._reader: Record | None = None
        self._loading = asyncio.Lock()

    async def _open(self) -> Record:
        async with self._loading:
            if self._reader is None:
                try:
                    self._reader = await asyncio.to_thread(open_store, self._database_url)
                except SettingsError as error:
                    raise StoreError(str(error)) from error
            return self._reader

    async def find_session(self, room: str, session: str | None = None) -> SessionInfo | None:
        """See `Reader.find_session`."""
        return await (await self._open()).find_session(room, session)

    async def lives(self, room: str, since: str | None = None) -> list[RoomLife]:
        """See `Reader.lives`."""
        return await (await self._open()).lives(room, since)

    async def items(self, session: str, after: int = 0, limit: int = 1000) -> list[Stored]:
        """See `Reader.items`."""
        return await (await self._open()).items(session, after, limit)

    async def segments(self, session: str, after: int = 0) -> list[tuple[int, Segment]]:
        """See `Reader.segments`."""
        return await (await self._open()).segments(session, after)

    async def windows(self, session: str) -> list[tuple[int, Window]]:
        """See `Reader.windows`."""
        return await (await self._open()).windows(session)

    async def gaps(self, session: str) -> list[tuple[int, Gap]]:
        """See `Reader.gaps`."""
        return await (await self._open()).gaps(session)

    async def statuses(self, session: str) -> list[tuple[int, Status]]:
        """See `Reader.statuses`."""
        return await (await self._open()).statuses(session)

    async def end_of(self, session: str) -> End | None:
        """See `Reader.end_of`."""
        return await (await self._open()).end_of(session)

    async def list_sessions(self, wanted: Wanted) -> list[Listed]:
        """See `Listing.list_sessions`."""
        return await (await self._open()).list_sessions(wanted)

    async def watched(self, sessions: Sequence[str]) -> dict[str, Watched]:
        """See `Watching.watched`."""
        return await (await self._open()).watched(sessions)

    async def erase(self, room: str, session: str | None = None) -> Tombstone | None:
        """See `Erasing.erase`."""
        return await (await self._open()).erase(room, session)

    async def expired(self, before: str, limit: int) -> list[Expired]:
        """See `Erasing.expired`."""
        return await (await self._open()).expired(before, limit)

    async def may_erase_expired(self, holder: str, seconds: float) -> bool:
        """See `Erasing.may_erase_expired`."""
        return await (await self._open()).may_erase_expired(holder, seconds)

    async def migrate(self) -> None:
        """See `Reader.migrate`."""
        await (await self._open()).migrate()

    async def index_anew(self) -> bool:
        """See `Reader.index_anew`."""
        return await (await self._open()).index_anew()

    async def aclose(self) -> None:
        """See `Reader.aclose`."""
        if self._reader is not None:
            await self._reader.aclose()
