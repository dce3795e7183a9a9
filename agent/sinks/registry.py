"""Sinks of a room: a further one is a file and a line here."""

from __future__ import annotations

from collections.abc import Callable

from livekit import rtc

from agent.sinks.data_message import DataMessageSink
from agent.sinks.protocol import Sink
from agent.sinks.text_stream import TextStreamSink

ROOM_SINKS: tuple[Callable[[rtc.Room, str], Sink], ...] = (DataMessageSink, TextStreamSink)
"""Each is made with the connected room and the session (the room's sid)."""
