"""Data messages on topic `transcript` (docs/protocol.md)."""

from __future__ import annotations

from livekit import rtc
from livekit.rtc.participant import PublishDataError

from agent.core.messages import TOPIC, encode
from agent.core.model import Segment
from agent.errors import SinkError
from agent.sinks.protocol import Outgoing

MAX_LOSSY_BYTES = 1300
"""Beyond one network packet a lossy message is lost too easily."""


class DataMessageSink:
    """Publishes every item to all participants; interims as lossy packets, the rest reliably."""

    name = "data_message"

    def __init__(self, room: rtc.Room, session: str) -> None:
        self._room = room
        self._session = session

    async def send(self, outgoing: Outgoing) -> None:
        """Publish one item, in parts when it is too large for one message.

        Raises:
            SinkError: LiveKit did not take it.
        """
        interim = isinstance(outgoing.item, Segment) and not outgoing.item.final
        for message in encode(outgoing.item, room=self._room.name, session=self._session, seq=outgoing.seq):
            try:
                await self._room.local_participant.publish_data(
                    message,
                    reliable=not interim or len(message) > MAX_LOSSY_BYTES,
                    topic=TOPIC,
                )
            except PublishDataError as exc:
                raise SinkError("the data message was not published") from exc
