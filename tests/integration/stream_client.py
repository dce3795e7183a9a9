"""A reader of the service's live streams that keeps to the standard: bytes in, events out."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

WAIT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Received:
    """One event."""

    event: str
    data: Any
    """The JSON, read."""
    id: str
    """The last id that came, with this event or before it."""
    raw: str
    """As it was on the wire."""


class Parser:
    """Pieces of a stream in, whole events out."""

    def __init__(self) -> None:
        self.last_id = ""
        self.retry_ms = 0
        self.comments = 0
        self._rest = b""

    def feed(self, piece: bytes) -> Iterator[Received]:
        """Events that this piece completes."""
        *blocks, self._rest = (self._rest + piece).split(b"\n\n")
        for block in blocks:
            fields: dict[str, str] = {}
            for line in block.decode().split("\n"):
                name, _, value = line.partition(":")
                if name:
                    assert name not in fields, f"{name} twice in an event of ours"
                    fields[name] = value.removeprefix(" ")
                else:
                    self.comments += 1
            self.last_id = fields.get("id", self.last_id)
            self.retry_ms = int(fields.get("retry", self.retry_ms))
            if "data" in fields:
                data = json.loads(fields["data"])
                yield Received(fields["event"], data, self.last_id, block.decode())


class Stream:
    """One open stream."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.parser = Parser()
        self.events: list[Received] = []
        self.ended = False
        self._pieces = response.aiter_raw()

    async def until(self, holds: Callable[[], bool]) -> list[Received]:
        """Read until something holds; all events so far."""
        async with asyncio.timeout(WAIT_SECONDS):
            while not holds():
                piece = await anext(self._pieces, None)
                if piece is None:
                    self.ended = True
                    assert holds(), f"the stream has ended after {[one.event for one in self.events]}"
                    break
                self.events += self.parser.feed(piece)
        return self.events

    async def until_event(self, kind: str, count: int = 1) -> list[Received]:
        """Read until so many events of a kind are there; all events so far."""
        return await self.until(lambda: len(self.of(kind)) >= count)

    async def until_seq(self, seq: int) -> list[Received]:
        """Read until the item of this number is there; all events so far."""
        return await self.until(lambda: seq in self.seqs())

    async def until_count(self, count: int) -> list[Received]:
        """Read until so many stored items are there; all events so far."""
        return await self.until(lambda: len(self.seqs()) >= count)

    async def until_end(self) -> list[Received]:
        """Read until the other side has closed the stream; all events."""
        return await self.until(lambda: self.ended)

    def of(self, kind: str) -> list[Received]:
        """Events of a kind."""
        return [one for one in self.events if one.event == kind]

    def seqs(self, session: str | None = None) -> list[int]:
        """Numbers of the stored items, in the order in which they came."""
        return [
            one.data["seq"]
            for one in self.events
            if one.data.get("seq") is not None and session in (None, one.data["session"])
        ]

    @property
    def last_id(self) -> str:
        """What a browser would come back with."""
        return self.parser.last_id


@asynccontextmanager
async def streaming(
    client: httpx.AsyncClient, path: str, *, last_id: str = "", status: int = 200, **headers: str
) -> AsyncIterator[Stream]:
    """Open a stream, as a browser does after `last_id`."""
    sent = {**headers, "Accept": "text/event-stream", **({"Last-Event-ID": last_id} if last_id else {})}
    async with client.stream("GET", path, headers=sent) as response:
        if response.status_code != status:
            await response.aread()
            raise AssertionError(f"{response.status_code}: {response.text}")
        yield Stream(response)
