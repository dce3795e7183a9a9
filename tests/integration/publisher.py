"""People in a process of their own, which a test may kill, or in which nothing is counted by the test.

python -m tests.integration.publisher talk URL TOKEN FIRST                      says marked words
python -m tests.integration.publisher crowd URL KEY SECRET ROOM FIRST COUNT     joins and leaves
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from local.child import kept
from local.speakers import RoomSpeaker, participant_token
from tests.integration.meeting import marked

ROOT = Path(__file__).parent.parent.parent
AT_ONCE = 4


async def talk(url: str, token: str, numbers: str) -> None:
    """Say sentences of three words; after each, a line with its words and their Unix times."""
    count = int(numbers)
    clips = [marked(tuple(range(first, first + 3)), 3, 0.5) for first in range(count, count + 60, 3)]
    async with RoomSpeaker() as speaker:
        await speaker.join(url, token)
        await speaker.microphone.heard(timeout=10)
        for clip in clips:
            spoken = await speaker.say(clip.pcm, 48_000)
            print(json.dumps({word.text: spoken.wall_at(word.start) for word in clip.words}), flush=True)


async def crowd(url: str, key: str, secret: str, room: str, first: str, count: str) -> None:
    """People who join, are heard for a moment and leave; a line when all have gone."""

    async def visit(number: int) -> None:
        token = participant_token(key, secret, room=room, identity=f"guest {number % 8}", role="candidate")
        async with RoomSpeaker() as guest:
            await guest.join(url, token)
            await guest.microphone.heard(timeout=20)
            if number % 2:
                await guest.republish()
                await guest.microphone.heard(timeout=20)

    numbers = list(range(int(first), int(first) + int(count)))
    for start in range(0, len(numbers), AT_ONCE):
        async with asyncio.timeout(60):
            await asyncio.gather(*map(visit, numbers[start : start + AT_ONCE]))
    print("done", flush=True)


class Process:
    """One running publisher."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def line(self, *, timeout: float) -> str:
        """Its next line; empty when it has ended."""
        assert self._process.stdout is not None
        async with asyncio.timeout(timeout):
            return (await self._process.stdout.readline()).decode().strip()

    def kill(self) -> None:
        """End it without a word to anybody, with all it has started."""
        if self._process.returncode is None:
            with suppress(ProcessLookupError):  # killed before, and not waited for yet
                os.killpg(self._process.pid, signal.SIGKILL)


@asynccontextmanager
async def publisher(*arguments: str) -> AsyncIterator[Process]:
    """Start one; it ends with the block."""
    process = await asyncio.create_subprocess_exec(
        *kept([sys.executable, "-m", "tests.integration.publisher", *arguments], grace_seconds=2),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    one = Process(process)
    try:
        yield one
    finally:
        one.kill()
        await process.wait()


if __name__ == "__main__":
    asyncio.run({"talk": talk, "crowd": crowd}[sys.argv[1]](*sys.argv[2:]))
