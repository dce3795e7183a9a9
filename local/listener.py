"""What a participant of a room receives from the transcriber, with the time each message arrived."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self

from livekit import rtc

from agent.core.messages import TOPIC, Envelope, Joiner
from agent.core.model import End, Gap, Item, Segment, Status, Window
from agent.errors import MessageError

TEXT_STREAM_TOPIC: Final = "lk.transcription"


@dataclass(frozen=True, slots=True)
class Received:
    """One item, put together from the packets it came in."""

    arrived_at_wall: float
    """Unix time of the last packet."""
    sender: str
    """Identity of the participant who sent it; empty when it came from a server API."""
    reliable: bool
    """False for a lossy packet (interims)."""
    envelope: Envelope

    @property
    def item(self) -> Item:
        """The segment, window, gap, status or end."""
        return self.envelope.item


@dataclass(frozen=True, slots=True)
class ReceivedText:
    """One text stream on `lk.transcription`, read to its end."""

    arrived_at_wall: float
    """Unix time at which it was complete."""
    sender: str
    """Identity of the participant the stream is from: the speaker."""
    text: str
    attributes: dict[str, str] = field(hash=False)
    """`lk.segment_id`, `lk.transcription_final`, `lk.transcribed_track_id`, `transcript.label`."""


class Listener:
    """Collects messages from a `Room`, connected or not yet; keeps all of them until it is dropped.

    async with Listener(room) as heard:
        end = await heard.wait_for(lambda message: isinstance(message.item, End), timeout=30)
    """

    def __init__(self, room: rtc.Room) -> None:
        self.room = room
        self.messages: list[Received] = []
        """Items of the topic `transcript` in order of arrival."""
        self.texts: list[ReceivedText] = []
        """Text streams of `lk.transcription` in order of completion."""
        self.packets: list[bytes] = []
        """Every packet of the topic as it came; a large item comes in several."""
        self.strays: list[bytes] = []
        """Those that are no message of ours."""
        self._joiner = Joiner()
        self._readers: set[asyncio.Task[None]] = set()
        self._news = asyncio.Event()

    async def __aenter__(self) -> Self:
        self.room.on("data_received", self._on_data)
        self.room.register_text_stream_handler(TEXT_STREAM_TOPIC, self._on_text)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.room.off("data_received", self._on_data)
        self.room.unregister_text_stream_handler(TEXT_STREAM_TOPIC)
        readers = list(self._readers)
        for task in readers:
            task.cancel()
        await asyncio.gather(*readers, return_exceptions=True)

    @property
    def finals(self) -> list[Segment]:
        """Final segments with text, in order of arrival."""
        return [
            message.item
            for message in self.messages
            if isinstance(message.item, Segment) and message.item.final and message.item.text
        ]

    @property
    def windows(self) -> list[Window]:
        """Every revision of every window, in order of arrival."""
        return [message.item for message in self.messages if isinstance(message.item, Window)]

    @property
    def gaps(self) -> list[Gap]:
        """Gaps in order of arrival."""
        return [message.item for message in self.messages if isinstance(message.item, Gap)]

    @property
    def statuses(self) -> list[Status]:
        """Changes of state in order of arrival."""
        return [message.item for message in self.messages if isinstance(message.item, Status)]

    @property
    def end(self) -> End | None:
        """The session's end, None until it came."""
        return next((message.item for message in self.messages if isinstance(message.item, End)), None)

    async def wait_for(self, wanted: Callable[[Received], bool], *, timeout: float) -> Received:
        """The first message, earlier ones included, that `wanted` accepts.

        Raises:
            TimeoutError: none came within `timeout` seconds; tells what did come.
        """
        found: Received | None = None
        seen = 0

        def look() -> bool:
            nonlocal found, seen
            fresh, seen = self.messages[seen:], len(self.messages)
            found = next((message for message in fresh if wanted(message)), None)
            return found is not None

        await self.wait_until(look, timeout=timeout)
        assert found is not None
        return found

    async def wait_until(self, holds: Callable[[], bool], *, timeout: float) -> None:
        """Returns once `holds()` is true; asks again whenever something was received.

        Raises:
            TimeoutError: it did not become true within `timeout` seconds; tells what was received.
        """
        try:
            async with asyncio.timeout(timeout):
                while not holds():
                    await self._news.wait()
        except TimeoutError as error:
            raise TimeoutError(f"not received within {timeout:g} s; {self.summary()}") from error

    async def stream(self) -> AsyncIterator[Received]:
        """Every message, earlier ones included, as it comes; never ends by itself."""
        shown = 0
        while True:
            for message in self.messages[shown:]:
                shown += 1
                yield message
            if shown == len(self.messages):
                await self._news.wait()

    def summary(self) -> str:
        """What was received so far, in one line."""
        kinds: dict[str, int] = {}
        for message in self.messages:
            kind = type(message.item).__name__.lower()
            kinds[kind] = kinds.get(kind, 0) + 1
        counts = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items())) or "no message"
        words = [f"{final.speaker.label}: {final.text}" for final in self.finals[-3:]]
        return f"received {counts}; last finals {words}"

    def _tell(self) -> None:
        """Wake everybody who waits now; whoever waits later waits for the next news."""
        self._news.set()
        self._news = asyncio.Event()

    def _on_data(self, packet: rtc.DataPacket) -> None:
        if packet.topic != TOPIC:
            return
        self.packets.append(packet.data)
        try:
            envelope = self._joiner.feed(packet.data)
        except MessageError:
            self.strays.append(packet.data)
            return
        if envelope is None:
            return
        self.messages.append(
            Received(
                arrived_at_wall=time.time(),
                sender=packet.participant.identity if packet.participant else "",
                reliable=packet.kind == rtc.DataPacketKind.KIND_RELIABLE,
                envelope=envelope,
            )
        )
        self._tell()

    def _on_text(self, reader: rtc.TextStreamReader, sender: str) -> None:
        task = asyncio.create_task(self._read(reader, sender), name=f"text stream of {sender}")
        self._readers.add(task)
        task.add_done_callback(self._readers.discard)

    async def _read(self, reader: rtc.TextStreamReader, sender: str) -> None:
        try:
            text = await reader.read_all()
        except rtc.StreamError:
            return  # the sender left in mid stream: what it had begun never became a text
        finally:
            reader.close()
        attributes = dict(reader.info.attributes or {})
        self.texts.append(ReceivedText(time.time(), sender, text, attributes))
        self._tell()
