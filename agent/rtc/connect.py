"""Joining a room in bounded time, wholly or not at all."""

from __future__ import annotations

import asyncio

from livekit import rtc

CONNECT_SECONDS = 15.0


async def connect(room: rtc.Room, url: str, token: str, *, auto_subscribe: bool = False) -> None:
    """Connect `room`; when cancelled meanwhile, disconnect it before the cancellation goes on.

    LiveKit's native side goes on to connect when its caller is cancelled: a participant that nobody owns
    would be in the room, and a process that ends at that moment is aborted.

    Raises:
        livekit.rtc.ConnectError: refused, or no server there.
        TimeoutError: no answer within CONNECT_SECONDS.
    """
    connecting = asyncio.create_task(
        room.connect(url, token, rtc.RoomOptions(auto_subscribe=auto_subscribe)), name="connect"
    )
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            await asyncio.shield(connecting)
    except (asyncio.CancelledError, TimeoutError):
        await asyncio.wait([connecting], timeout=CONNECT_SECONDS)
        if connecting.done() and not connecting.cancelled() and connecting.exception() is None:
            await room.disconnect()
        else:
            connecting.cancel()
        raise
