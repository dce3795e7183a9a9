"""A connection of the service: uvicorn's, with bounds on how long it may be held without a call under way."""

from __future__ import annotations

import asyncio
from operator import itemgetter
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

CALL_BEGINS_SECONDS = 10.0
"""From the first byte of a call, or from connecting, until its headers are there."""
ANSWER_TAKEN_SECONDS = 60.0
"""From the last byte of an answer that was written to the caller having taken what was not sent yet."""

BESIDE_STREAMS = 400
"""Connections at once that carry no stream. When there are more, one that carries no call is closed; when
there is none, whoever comes is answered 503."""
UNSENT_BYTES = 16 * 1024
"""What may wait in this process for a caller to take it before the answer pauses."""


class Connection(H11Protocol):
    """uvicorn itself waits for ever for the rest of a call's headers, and for the rest of a body that nobody
    reads any more; any byte puts off its only time limit, that of kept connections.
    """

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See asyncio.Protocol."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=UNSENT_BYTES)
        self._wait(CALL_BEGINS_SECONDS)
        if self.limit_concurrency is not None and len(self.connections) >= self.limit_concurrency:
            self._close_one_kept()

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_waiting()  # the app has the call, and bounds of its own
        elif self._deadline is None:
            self._wait(CALL_BEGINS_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self._stop_waiting()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """The answer is written, which does not mean taken."""
        super().on_response_complete()
        under_way = self.cycle is not None and not self.cycle.response_complete  # a call that was waiting
        if not under_way and self.transport.get_write_buffer_size():
            self._wait(ANSWER_TAKEN_SECONDS)

    def _unsupported_upgrade_warning(self) -> None:
        """The call is answered as if it had asked for no upgrade; uvicorn would advise an installation."""

    def _close_one_kept(self) -> None:
        """Make room: close the connection that has waited longest for its next call."""
        kept = [
            (one.timeout_keep_alive_task.when(), one.transport)
            for one in self.connections
            if isinstance(one, Connection)
            and one.timeout_keep_alive_task is not None
            and not one.transport.is_closing()
        ]
        if kept:
            min(kept, key=itemgetter(0))[1].close()

    def _wait(self, seconds: float) -> None:
        self._stop_waiting()
        self._deadline = self.loop.call_later(seconds, self._give_up)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        self._deadline = None
        self.transport.abort()


def limits(max_streams: int, keep_alive_seconds: float) -> dict[str, Any]:
    """What uvicorn's configuration needs for all connections to be bounded."""
    return {
        "http": Connection,
        "ws": "none",
        "limit_concurrency": max_streams + BESIDE_STREAMS,
        "timeout_keep_alive": keep_alive_seconds,
        "proxy_headers": False,
        "server_header": False,
    }
