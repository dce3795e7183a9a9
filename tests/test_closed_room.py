"""A room that is closed: nobody is left to read live text, and the logs give the true cause."""

from __future__ import annotations

import asyncio
import logging
from typing import cast

import pytest
from livekit import rtc

from agent.clock import RoomClock
from agent.core.model import State, Status
from agent.errors import SinkError
from agent.rtc.room import RoomEvents
from agent.rtc.silero import SileroModel
from agent.session import Session
from agent.settings import Settings
from agent.sinks import outbox
from agent.sinks.outbox import Outbox
from agent.sinks.protocol import Outgoing
from agent.store.memory import MemoryStore
from agent.stt.protocol import Recognizer

ITEM = Outgoing(Status(State.LISTENING), 1)


class RefusedSink:
    """A sink whose room takes nothing."""

    name = "refused"

    def __init__(self) -> None:
        self.tried = asyncio.Event()

    async def send(self, outgoing: Outgoing) -> None:
        self.tried.set()
        raise SinkError("not sent")


async def logged(caplog: pytest.LogCaptureFixture, *, closes_after_try: bool, closed: bool) -> list[str]:
    """The actions that are logged when two items are refused."""
    sink = RefusedSink()
    outbox = Outbox(sink, lambda: closed or (closes_after_try and sink.tried.is_set()))
    outbox.put(ITEM)
    outbox.put(ITEM)
    running = asyncio.create_task(outbox.run())
    assert await outbox.drain(5)
    running.cancel()
    return [record.__dict__["action"] for record in caplog.records if "action" in record.__dict__]


@pytest.mark.parametrize(
    ("closes_after_try", "closed", "actions"),
    [(False, False, ["sink_failed"]), (False, True, []), (True, False, [])],
)
async def test_only_an_open_room_that_takes_nothing_is_a_failure(
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    closes_after_try: bool,
    closed: bool,
    actions: list[str],
) -> None:
    """A room that is closed, or is being closed, refuses every message."""
    monkeypatch.setattr(outbox, "CLOSING_SECONDS", 0.01)
    with caplog.at_level(logging.WARNING):
        assert await logged(caplog, closes_after_try=closes_after_try, closed=closed) == actions


@pytest.mark.parametrize("reason", ["ROOM_DELETED", "ROOM_CLOSED", None])
async def test_the_first_cause_is_the_one_that_is_reported(reason: str | None) -> None:
    """LiveKit ends the job of a room that has closed, which also asks the session to stop."""
    room = rtc.Room()
    events = RoomEvents(room, exclude_kinds=(), exclude_sources=())
    session = Session(
        room,
        events,
        Settings(),
        model=cast(SileroModel, None),
        recognizer=cast(Recognizer, None),
        store=MemoryStore(),
        clock=cast(RoomClock, None),
    )
    if reason is not None:
        room.emit("disconnected", rtc.DisconnectReason.Value(reason))
    session.stop("the worker was stopped")
    assert session.stop_reason == ("the worker was stopped" if reason is None else reason.lower())
    events.close()
