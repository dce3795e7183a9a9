"""What a transcriber holds for its room is released, whatever goes wrong."""

from __future__ import annotations

from typing import Any, cast

import pytest
from livekit import rtc

from agent.errors import TranscriptionError
from agent.settings import Settings
from agent.transcriber import Transcriber
from tests.session.fakes import FakeModel, FakeRoom
from tests.session.virtual_time import in_virtual_time


@in_virtual_time
async def test_nothing_is_held_when_a_part_cannot_be_had() -> None:
    """Without a store no callback stays on the room, and whoever waits for the joining is let go."""
    settings = Settings.from_env({"ELEVENLABS_API_KEY": "key"}).model_copy(update={"database_url": "abacus:"})
    room = FakeRoom()
    transcriber = Transcriber(settings, cast(Any, FakeModel()))

    async def connect() -> None:
        raise AssertionError("it must not come so far")

    with pytest.raises(TranscriptionError):
        await transcriber.run(cast(rtc.Room, room), connect)
    assert transcriber.joined.is_set()
    assert not any(room._events.values())


@in_virtual_time
async def test_a_second_stop_before_the_room_is_joined_keeps_the_hand_over() -> None:
    """The first call decides, also while there is no session yet."""
    transcriber = Transcriber(Settings.from_env({}), cast(Any, FakeModel()))
    transcriber.stop("the worker was stopped", hand_over=True)
    transcriber.stop("stopped again")
    assert (transcriber._stop_reason, transcriber._hands_over) == ("the worker was stopped", True)
