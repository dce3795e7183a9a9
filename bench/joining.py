"""Many readers join one live stream at once: how long the other readers wait, and what memory it takes.

    python -m bench.streams --joining 100           # a record of 3 hours, SQLite

The service runs as it is run, and those who join are a process of their own. This process says something ten
times a second and reads it as a few healthy readers do.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack, aclosing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from agent.core.model import Item
from agent.store import open_store
from agent.store.protocol import Store, Stored
from bench.figures import spread
from bench.measure import cpu_seconds, program, usage
from bench.served import served
from bench.streams import ROOM, SESSION, Reader, client, fill, follow, record, segment, until

HEALTHY = 3
SAY_EVERY_SECONDS = 0.1
CONNECT_SECONDS = 1.5
"""Until the healthy readers are there."""
BEFORE_SECONDS = 3.0
"""Of quiet, for comparison."""
AFTER_SECONDS = 1.0
JOIN_SECONDS = 120.0


async def measure(folder: Path, database_url: str, joining: int, hours: float) -> dict[str, Any]:
    """All figures."""
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(aclosing(open_store(database_url)))
        items = record(hours)
        await fill(store, items)
        settings = {"DATABASE_URL": database_url, "MAX_STREAMS": str(2 * joining + HEALTHY)}
        child, url = await stack.enter_async_context(served(folder, settings))
        http = await stack.enter_async_context(client())
        healthy = [Reader(last_seq=len(items)) for _ in range(HEALTHY)]
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(follow(http, url, one, len(items) + 1, after=len(items)), name="reader")
                for one in healthy
            ]
            said = _Said(store, len(items), program(child.pid))
            talking = group.create_task(said.talk(), name="talk")
            await asyncio.sleep(CONNECT_SECONDS)
            here_at = time.monotonic()
            await asyncio.sleep(BEFORE_SECONDS)
            idle_pss, cpu, joined_at = max(said.pss), cpu_seconds(program(child.pid)), time.monotonic()
            replayed = await _join(url, joining, len(items))
            took = cpu_seconds(program(child.pid)) - cpu
            await asyncio.sleep(AFTER_SECONDS)
            talking.cancel()
            await until(lambda: all(one.last_seq >= max(said.stored) for one in healthy), 10)
            for task in tasks:
                task.cancel()
    delays = _delays(said.stored, healthy, here_at, joined_at)
    return {
        "joining": joining,
        "items": len(items),
        "replay_all_seconds": round(replayed, 2),
        "service_cpu_seconds": round(took, 2),
        **{
            f"delay_seconds_p50_p95_max_{when}": [round(one, 3) for one in (*spread(some), max(some))]
            for when, some in delays.items()
        },
        "each_once_in_order": all(one.in_order for one in healthy),
        "pss_mb_before_largest": [round(idle_pss / 1e6, 1), round(max(said.pss) / 1e6, 1)],
        "pss_mb_growth": round((max(said.pss) - idle_pss) / 1e6, 1),
    }


def _delays(
    stored: dict[int, float], healthy: Sequence[Reader], here_at: float, joined_at: float
) -> dict[str, list[float]]:
    """Seconds from store to each healthy reader, before the others joined and from then on."""
    delays: dict[str, list[float]] = {"before": [], "joining": []}
    for seq, at in stored.items():
        if at < here_at:
            continue
        some = delays["before" if at < joined_at - 0.5 else "joining"]
        some += [reader.arrived[seq] - at for reader in healthy]
    return delays


class _Said:
    """What is said while others join, and the service's memory beside it."""

    def __init__(self, store: Store, last_seq: int, pid: int) -> None:
        self._store = store
        self._last_seq = last_seq
        self._pid = pid
        self.stored: dict[int, float] = {}
        """Number of an item -> when it was stored."""
        self.pss: list[int] = []

    async def talk(self) -> None:
        """Until cancelled."""
        seq = self._last_seq
        while True:
            seq += 1
            item: Item = segment(seq, seq * 3.0)
            await asyncio.shield(self._store.write(SESSION, 1, [Stored(seq, item)]))
            self.stored[seq] = time.monotonic()
            self.pss.append(usage(self._pid).pss_bytes)
            await asyncio.sleep(SAY_EVERY_SECONDS)


async def _join(url: str, joining: int, last_seq: int) -> float:
    """Let them join, and wait until each has read the record; seconds that took."""
    command = [sys.executable, "-m", "bench.joining", url, str(joining), str(last_seq)]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        async with asyncio.timeout(JOIN_SECONDS):
            out, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return float(json.loads(out))


async def join_all(url: str, joining: int, last_seq: int) -> float:
    """Connect all at once and read up to a number; seconds from the first call to the last answer."""
    where = urlsplit(url)
    connections = [await asyncio.open_connection(where.hostname, where.port) for _ in range(joining)]
    call = f"GET /rooms/{ROOM}/stream HTTP/1.1\r\nHost: {where.netloc}\r\n\r\n".encode()
    began = time.monotonic()
    for _, writer in connections:
        writer.write(call)
    await asyncio.gather(*(_read(reader, f"id: {last_seq}@".encode()) for reader, _ in connections))
    seconds = time.monotonic() - began
    for _, writer in connections:
        writer.close()
    return seconds


async def _read(reader: asyncio.StreamReader, last: bytes) -> None:
    rest = b""
    while piece := await reader.read(262_144):
        if last in rest + piece:
            return
        rest = piece[-len(last) :]
    raise ConnectionError("the stream ended before the record did")


if __name__ == "__main__":
    print(json.dumps(asyncio.run(join_all(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))))
