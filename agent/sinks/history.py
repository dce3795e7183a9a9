"""Answers `transcript.history` in the room: what a late joiner missed (docs/protocol.md)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from livekit import rtc

from agent.core.history import METHOD, pack_reply, read_request
from agent.core.model import Item
from agent.errors import MessageError, SessionErased, StoreError

APPLICATION_ERROR = 1500

ReadItems = Callable[[int, int], Awaitable[tuple[Sequence[tuple[int, Item]], int]]]
"""(after, limit) -> stored (seq, item) in order, and the highest seq that is known to exist.

Raises SessionErased when there is nothing because it was erased.
"""


class History:
    """The RPC method of one room; registered while the object is in use."""

    def __init__(self, room: rtc.Room, session: str, read: ReadItems) -> None:
        """`room` must be connected."""
        self._room = room
        self._session = session
        self._read = read
        room.local_participant.register_rpc_method(METHOD, self._answer)

    def close(self) -> None:
        """Answer no more; safe to call at any time."""
        if self._room.isconnected():
            self._room.local_participant.unregister_rpc_method(METHOD)

    async def _answer(self, call: rtc.RpcInvocationData) -> str:
        try:
            after, limit = read_request(call.payload)
            items, last = await self._read(after, limit)
        except MessageError as exc:
            raise rtc.RpcError(APPLICATION_ERROR, str(exc)) from exc
        except SessionErased as exc:
            raise rtc.RpcError(APPLICATION_ERROR, "the transcript of this session was erased") from exc
        except StoreError as exc:
            raise rtc.RpcError(APPLICATION_ERROR, "the store does not answer; try again") from exc
        return pack_reply(items, after=after, last=last, room=self._room.name, session=self._session)
