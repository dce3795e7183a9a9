"""Joining a room in bounded time, wholly or not at all."""

from __future__ import annotations

import asyncio

from livekit import rtc

CONNECT_SECONDS = 15.0
FAILURE_TOLERANCE = 10
"""Frames in a row that cannot be decrypted before the key counts as wrong; as in LiveKit's browser client."""


def encryption_with(key: str) -> rtc.E2EEOptions | None:
    """End-to-end encryption with a shared key; None without a key.

    PBKDF2 derives the cipher's key, as in the browser client when it is given a text. No ratchet window: a
    shared key does not change by itself, and trying derived keys takes seconds.
    """
    if not key:
        return None
    return rtc.E2EEOptions(
        key_provider_options=rtc.KeyProviderOptions(
            shared_key=key.encode(), failure_tolerance=FAILURE_TOLERANCE, ratchet_window_size=0
        )
    )


async def connect(
    room: rtc.Room,
    url: str,
    token: str,
    *,
    auto_subscribe: bool = False,
    encryption: rtc.E2EEOptions | None = None,
) -> None:
    """Connect `room`; when cancelled meanwhile, disconnect it before the cancellation goes on.

    LiveKit's native side goes on to connect when its caller is cancelled: a participant that nobody owns
    would be in the room, and a process that ends at that moment is aborted.

    Raises:
        livekit.rtc.ConnectError: refused, or no server there.
        TimeoutError: no answer within CONNECT_SECONDS.
    """
    connecting = asyncio.create_task(
        room.connect(url, token, rtc.RoomOptions(auto_subscribe=auto_subscribe, encryption=encryption)),
        name="connect",
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
