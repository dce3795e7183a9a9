"""LiveKit's own captions: the text stream `lk.transcription`, one stream an update.

LiveKit's components show these without any code of ours: the sender is the speaker, all updates of an
utterance share `lk.segment_id`, and the last one says `lk.transcription_final`. `transcript.label` is our own
attribute: names are not unique, labels are.
"""

from __future__ import annotations

from livekit import rtc

from agent.core.model import Segment
from agent.errors import SinkError
from agent.sinks.protocol import Outgoing

TOPIC = "lk.transcription"

TAKEN_BACK = " "
"""Text of a final that takes its line back. A stream without any text changes nothing in LiveKit's hooks."""


class TextStreamSink:
    """Streams the text of segments; other items are no captions."""

    name = "text_stream"

    def __init__(self, room: rtc.Room, _session: str) -> None:
        self._room = room

    async def send(self, outgoing: Outgoing) -> None:
        """Send one segment.

        Raises:
            SinkError: LiveKit did not take it.
        """
        segment = outgoing.item
        if not isinstance(segment, Segment):
            return
        try:
            writer = await self._room.local_participant.stream_text(
                topic=TOPIC,
                sender_identity=segment.speaker.identity,
                attributes={
                    "lk.segment_id": segment.segment_id,
                    "lk.transcription_final": "true" if segment.final else "false",
                    "lk.transcribed_track_id": segment.track_sid,
                    "transcript.label": segment.speaker.label,
                },
            )
            await writer.write(segment.text or TAKEN_BACK)
            await writer.aclose()
        except (ConnectionError, RuntimeError) as exc:
            raise SinkError("the text stream was not sent") from exc
