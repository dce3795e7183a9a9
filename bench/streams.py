"""Many readers of one room's live stream: how late each item reaches them, and what the service needs for it.

    python -m bench.streams                       # 200 readers, a record of 3 hours and 40,000 words, SQLite
    python -m bench.streams --readers 50 --database postgresql://…
    python -m bench.streams --joining 100         # bench/joining.py: what the other readers notice of them

The service runs as it is run; readers and writer are this process. All readers first read the record from its
start, at once (a restart in the middle of a meeting); then something is said twice a second.
"""

from __future__ import annotations

import asyncio
import json
import re
import tempfile
import time
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import aiohttp
import typer

from agent.core.model import Item, Segment, Speaker, Turn, Window, Word
from agent.store import open_store
from agent.store.protocol import Store, Stored
from bench.figures import spread
from bench.measure import cpu_seconds, program, usage
from bench.served import served

ROOM, SESSION, STARTED = "bench", "RM_bench", "2026-11-25T10:00:00.000Z"
WORDS_A_SEGMENT = 12
SECONDS_A_SEGMENT = 3.24
HOP_SECONDS = 10.0
SPEAKERS = [Speaker(name, name.title(), name, name) for name in ("interviewer", "candidate")]
LIVE_EVERY_SECONDS = 0.5
REPLAY_SECONDS = 120.0
_SEQ = re.compile(rb'"seq":(\d+)')
"""Texts here hold no such thing."""


@dataclass(slots=True)
class Reader:
    """One open stream."""

    last_seq: int = 0
    received_bytes: int = 0
    in_order: bool = True
    arrived: dict[int, float] = field(default_factory=dict)
    """Number of a live item -> when it was here."""

    def take(self, piece: bytes, live_from: int) -> None:
        """Note the numbers in a piece; those cut in two by a piece's end are put together by the caller."""
        now = time.monotonic()
        for found in _SEQ.finditer(piece):
            seq = int(found[1])
            self.in_order &= seq == self.last_seq + 1
            self.last_seq = seq
            if seq >= live_from:
                self.arrived[seq] = now


def record(hours: float) -> list[Item]:
    """A meeting of two who take turns, with its windows."""
    items: list[Item] = []
    closed = 0
    for number in range(int(hours * 3600 / SECONDS_A_SEGMENT)):
        spoken = segment(number, number * SECONDS_A_SEGMENT)
        items.append(spoken)
        while spoken.end > closed * HOP_SECONDS + 20:
            start = closed * HOP_SECONDS
            turns = tuple(
                Turn(one.speaker, one.start, one.end, one.text)
                for one in items[-12:]
                if isinstance(one, Segment) and start <= one.start < start + 20
            )
            items.append(
                Window(
                    closed, 1, start, start + 20, True, (), turns, WORDS_A_SEGMENT * len(turns), len(turns)
                )
            )
            closed += 1
    return items


def segment(number: int, start: float) -> Segment:
    """A sentence of one of the two."""
    step = SECONDS_A_SEGMENT / WORDS_A_SEGMENT
    words = tuple(
        Word(f"word{number * WORDS_A_SEGMENT + place}", start + place * step, start + (place + 0.9) * step)
        for place in range(WORDS_A_SEGMENT)
    )
    text = " ".join(word.text for word in words)
    track = f"TR_{number % 2}"
    return Segment(
        f"{track}-{round(start * 1000)}",
        2,
        True,
        SPEAKERS[number % 2],
        track,
        "microphone",
        start,
        words[-1].end,
        text,
        words,
        "en",
        0.9,
    )


async def follow(
    http: aiohttp.ClientSession, url: str, reader: Reader, live_from: int, after: int = 0
) -> None:
    """Read one stream until cancelled, from behind the number `after`."""
    async with http.get(f"{url}/rooms/{ROOM}/stream", params={"after": after}) as answer:
        answer.raise_for_status()
        rest = b""
        async for piece in answer.content.iter_any():
            reader.received_bytes += len(piece)
            block, found, rest = (rest + piece).rpartition(b"\n\n")
            if found:
                reader.take(block, live_from)
            else:
                rest = block + rest


async def measure(
    folder: Path, database_url: str, readers: int, hours: float, seconds: float
) -> dict[str, Any]:
    """All figures."""
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(aclosing(open_store(database_url)))
        items = record(hours)
        await fill(store, items)
        settings = {"DATABASE_URL": database_url, "MAX_STREAMS": str(2 * readers)}
        child, url = await stack.enter_async_context(served(folder, settings))
        http = await stack.enter_async_context(client())
        all_readers = [Reader() for _ in range(readers)]
        pid = program(child.pid)
        idle_pss = usage(pid).pss_bytes
        async with asyncio.TaskGroup() as group:
            began, cpu = time.monotonic(), cpu_seconds(pid)
            tasks = [
                group.create_task(follow(http, url, one, len(items) + 1), name="reader")
                for one in all_readers
            ]
            await until(lambda: all(one.last_seq >= len(items) for one in all_readers), REPLAY_SECONDS)
            replay_seconds, replay_cpu = time.monotonic() - began, cpu_seconds(pid) - cpu
            began, cpu = time.monotonic(), cpu_seconds(pid)
            pss = [usage(pid).pss_bytes]
            stored = await _say(store, len(items) + 1, seconds, lambda: pss.append(usage(pid).pss_bytes))
            await until(lambda: all(one.last_seq >= max(stored) for one in all_readers), 10)
            live_cpu = (cpu_seconds(pid) - cpu) / (time.monotonic() - began)
            for task in tasks:
                task.cancel()
    delays = [one.arrived[seq] - at for one in all_readers for seq, at in stored.items()]
    return {
        "readers": readers,
        "items": len(items),
        "words": sum(len(one.words) for one in items if isinstance(one, Segment)),
        "record_bytes": all_readers[0].received_bytes,
        "replay_all_seconds": round(replay_seconds, 2),
        "replay_cpu_seconds": round(replay_cpu, 2),
        "live_items": len(stored),
        "delay_seconds_p50_p95_max": [round(one, 3) for one in (*spread(delays), max(delays))],
        "each_once_in_order": all(one.in_order for one in all_readers),
        "service_cpu_share_live": round(live_cpu, 3),
        "pss_mb_idle_first_last": [round(one / 1e6, 1) for one in (idle_pss, pss[0], pss[-1])],
        "pss_mb_largest_live": round(max(pss) / 1e6, 1),
    }


def client() -> aiohttp.ClientSession:
    """As many connections as are asked for; a heartbeat comes within the time limit of a silence."""
    limit = aiohttp.ClientTimeout(total=None, sock_read=60)
    return aiohttp.ClientSession(timeout=limit, connector=aiohttp.TCPConnector(limit=0))


async def fill(store: Store, items: list[Item]) -> None:
    """Store a meeting."""
    await store.open_session(ROOM, SESSION, STARTED)
    for first in range(0, len(items), 500):
        numbered = enumerate(items[first : first + 500], start=first + 1)
        await store.write(SESSION, 1, [Stored(seq, item) for seq, item in numbered])


async def _say(store: Store, first: int, seconds: float, each: Any) -> dict[int, float]:
    """Store an item every half a second; number -> when it was stored."""
    stored: dict[int, float] = {}
    for seq in range(first, first + int(seconds / LIVE_EVERY_SECONDS)):
        await store.write(SESSION, 1, [Stored(seq, segment(seq, seq * SECONDS_A_SEGMENT))])
        stored[seq] = time.monotonic()
        each()
        await asyncio.sleep(LIVE_EVERY_SECONDS)
    return stored


async def until(holds: Any, seconds: float) -> None:
    """Wait for something to hold, for so long at most."""
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110 - hundreds of readers note what comes
            await asyncio.sleep(0.02)


def main(
    *,
    readers: Annotated[int, typer.Option(min=1)] = 200,
    hours: Annotated[float, typer.Option(help="Length of the record.")] = 3.0,
    seconds: Annotated[float, typer.Option(help="How long something is said.")] = 60.0,
    joining: Annotated[int, typer.Option(help="Readers who join at once while others read.")] = 0,
    database: Annotated[str, typer.Option(help="An empty database; SQLite in a folder of its own.")] = "",
) -> None:
    """Measure the live stream with many readers; figures as JSON."""
    with tempfile.TemporaryDirectory(prefix="bench-streams-") as folder:
        url = database or f"sqlite:///{folder}/record.db"
        if joining:
            from bench.joining import measure as measure_joining  # noqa: PLC0415 - it is made of this module

            figures = asyncio.run(measure_joining(Path(folder), url, joining, hours))
        else:
            figures = asyncio.run(measure(Path(folder), url, readers, hours, seconds))
        print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    typer.run(main)
