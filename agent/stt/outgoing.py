"""A recognizer's WebSocket that reports what of the audio has left this host.

aiohttp takes a message at once and keeps it until the network does, so a client cannot tell a slow link from
a slow recognizer. The kernel can: it knows how many bytes of a socket the other side has not acknowledged.
Where it cannot be asked, what is written is reported as gone.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import socket
import struct
import termios
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import aiohttp

from agent.core.model import SAMPLE_RATE

SEND_BUFFER_BYTES: Final = 262_144
"""Send buffer of each socket. All that `core.transit` lets be under way fits, so the kernel knows of it."""
LOOK_SECONDS: Final = 0.1
"""How often the kernel is asked while something is under way."""
REPORT_SECONDS: Final = 0.5
"""A report waits for a commit to leave, or this much audio, or this long: each wakes the track."""

Report = Callable[[int, int], None]
"""Is given the samples and the commits that have left the host since the connection was made."""


def send_buffered_socket(address: tuple[Any, ...]) -> socket.socket:
    """A socket for aiohttp's connector (`socket_factory`), `address` as `getaddrinfo` gives it."""
    family, kind, protocol, *_ = address
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    return made


@dataclass(frozen=True, slots=True)
class _Written:
    bytes: int
    """Written on the connection, this message included; likewise the others."""
    samples: int
    commits: int


class Departures:
    """What was written on a connection, and how much of it has left.

    Args:
        under_way: bytes that were written and have not left.
        report: is called when more has left.
    """

    def __init__(self, under_way: Callable[[], int], report: Report) -> None:
        self._under_way = under_way
        self._report = report
        self._waiting: deque[_Written] = deque()
        self._written = self._reported = _Written(0, 0, 0)
        self._left = self._reported
        self._reported_at = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def wrote(self, message: str) -> None:
        """A message of ElevenLabs' protocol was written, or is about to be."""
        samples, is_commit = read_chunk(message)
        last = self._written
        self._written = _Written(last.bytes + len(message), last.samples + samples, last.commits + is_commit)
        self._waiting.append(self._written)
        if self._timer is None:
            self._look_later()

    def stop(self) -> None:
        """Report nothing more."""
        if self._timer is not None:
            self._timer.cancel()

    def _look_later(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(LOOK_SECONDS, self._look)

    def _look(self) -> None:
        """Report what has left; look again until all has left and is reported."""
        self._timer = None
        gone = self._written.bytes - self._under_way()
        while self._waiting and self._waiting[0].bytes <= gone:
            self._left = self._waiting.popleft()
        left, now = self._left, asyncio.get_running_loop().time()
        if self._is_worth_reporting(now):
            self._reported, self._reported_at = left, now
            self._report(left.samples, left.commits)
        if self._written != self._reported:
            self._look_later()

    def _is_worth_reporting(self, now: float) -> bool:
        left, reported = self._left, self._reported
        return left.bytes > reported.bytes and (
            left.commits > reported.commits
            or left.samples - reported.samples >= REPORT_SECONDS * SAMPLE_RATE
            or now - self._reported_at >= REPORT_SECONDS
        )


class ReportingSocket(aiohttp.ClientWebSocketResponse):
    """The connection (`ws_response_class` of a ClientSession); reports from `report_to` to its close."""

    _departures: Departures | None = None

    def report_to(self, report: Report) -> None:
        """Call `report` when more has left."""
        self._departures = Departures(lambda: bytes_under_way(self.get_extra_info("socket")), report)

    async def send_str(self, data: str, compress: int | None = None) -> None:
        """Send a message of ElevenLabs' protocol."""
        if self._departures is not None:
            self._departures.wrote(data)
        await super().send_str(data, compress)

    async def close(self, *, code: int = aiohttp.WSCloseCode.OK, message: bytes = b"") -> bool:
        """Close the connection; nothing more is reported."""
        departures, self._departures = self._departures, None
        if departures is not None:
            departures.stop()
        return await super().close(code=code, message=message)


def read_chunk(message: str) -> tuple[int, bool]:
    """Samples (PCM16 mono) and whether it commits, of a client's message."""
    chunk = json.loads(message)
    audio = chunk["audio_base_64"]
    return (len(audio) * 3 // 4 - audio.count("=")) // 2, chunk["commit"]


def bytes_under_way(connected: Any) -> int:
    """Bytes written to a TCP socket that the other side has not acknowledged; 0 where that is not known."""
    if connected is None or connected.fileno() < 0:
        return 0
    try:
        answer = fcntl.ioctl(connected.fileno(), termios.TIOCOUTQ, bytes(4))
    except OSError:
        return 0
    (waiting,) = struct.unpack("i", answer)
    return int(waiting)
