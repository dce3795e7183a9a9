"""Joining a room is done wholly or not at all."""

from __future__ import annotations

import asyncio

import pytest
from livekit import api, rtc

from agent.rtc.connect import connect
from local.speakers import participant_token
from tests.conftest import LiveKit

pytestmark = pytest.mark.live


@pytest.mark.parametrize("seconds", [0, 0.01, 0.03, 0.1])
async def test_a_cancelled_join_leaves_nobody_in_the_room(livekit: LiveKit, seconds: float) -> None:
    """However far it had come."""
    name = f"cancelled after {seconds}"
    async with api.LiveKitAPI(livekit.url, livekit.api_key, livekit.api_secret) as lk:
        await lk.room.create_room(api.CreateRoomRequest(name=name))
        room = rtc.Room()
        token = participant_token(livekit.api_key, livekit.api_secret, room=name, identity="anna")
        joining = asyncio.create_task(connect(room, livekit.url, token))
        await asyncio.sleep(seconds)
        joining.cancel()
        await asyncio.wait([joining])
        if not joining.cancelled():
            await room.disconnect()
        assert not room.isconnected()
        present = await lk.room.list_participants(api.ListParticipantsRequest(room=name))
        assert not present.participants


async def test_a_wrong_key_is_refused(livekit: LiveKit) -> None:
    """With LiveKit's own error, within its time."""
    token = participant_token(livekit.api_key, "x" * 32, room="locked", identity="anna")
    with pytest.raises(rtc.ConnectError):
        await connect(rtc.Room(), livekit.url, token)
