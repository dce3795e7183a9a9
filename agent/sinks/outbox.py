"""A bounded queue before a sink, so that a slow reader's side holds nobody up.

Numbered items keep their order and wait; when `MAX_WAITING` of them do, the oldest is dropped (it is in the
store, readers can ask for it). Of an utterance's interims only the newest waits: the rest is worthless.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable

from agent.core.model import Segment
from agent.errors import SinkError
from agent.metrics import DROPPED
from agent.sinks.protocol import Outgoing, Sink

log = logging.getLogger(__name__)

MAX_WAITING = 1000
SEND_SECONDS = 5.0
CLOSING_SECONDS = 0.5
"""How long LiveKit may take to report that a room is closed, once it refuses messages for that reason."""


class Outbox:
    """Feeds one sink. `run` is the task; `put` never blocks."""

    def __init__(self, sink: Sink, is_closed: Callable[[], bool] = lambda: False) -> None:
        """`is_closed`: True once the room is closed. It has no readers then, so no failure is logged."""
        self._sink = sink
        self._is_closed = is_closed
        self._waiting: deque[Outgoing] = deque()
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._failing = False

    def put(self, outgoing: Outgoing) -> None:
        """Queue an item."""
        if isinstance(outgoing.item, Segment):
            self._forget_interims(outgoing.item.segment_id)
        self._waiting.append(outgoing)
        if len(self._waiting) > MAX_WAITING:
            self._waiting.popleft()
            log.warning("sink is too slow, oldest item dropped", extra={"action": "sink_overflow"})
        self._idle.clear()
        self._wake.set()

    async def run(self) -> None:
        """Send what is queued until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                await self._send(self._waiting.popleft())
            self._idle.set()

    async def drain(self, seconds: float) -> bool:
        """Wait until all is sent, at most `seconds`; False when time ran out."""
        try:
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True

    def _forget_interims(self, segment_id: str) -> None:
        for index in range(len(self._waiting) - 1, -1, -1):
            item = self._waiting[index].item
            if isinstance(item, Segment) and item.segment_id == segment_id and not item.final:
                del self._waiting[index]

    async def _send(self, outgoing: Outgoing) -> None:
        """The sink boundary: what a sink cannot send is dropped, and the session goes on."""
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await self._sink.send(outgoing)
        except Exception as exc:  # noqa: BLE001 - the boundary
            DROPPED.labels(self._sink.name).inc()
            await self._failed(exc)
        else:
            self._failing = False

    async def _failed(self, error: Exception) -> None:
        """Log the first failure in a row, unless the room is closed or closes now."""
        if self._failing or self._is_closed():
            return
        self._failing = True
        await asyncio.sleep(CLOSING_SECONDS)
        if not self._is_closed():
            expected = isinstance(error, SinkError | TimeoutError)
            log.warning(
                "sink cannot send",
                exc_info=None if expected else error,
                extra={"action": "sink_failed", "sink": self._sink.name, "error": type(error).__name__},
            )
