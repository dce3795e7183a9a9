"""Times of the exports and figures of a long meeting, asked of the token service over HTTP."""

from __future__ import annotations

import time
from pathlib import Path

import aiohttp

from agent.core.exports import FORMATS
from agent.core.model import Segment, Speaker, Word
from agent.store import open_store
from agent.store.protocol import Stored
from bench.served import served

HOURS = 3
WORDS = 40_000
WORDS_A_SEGMENT = 16
TRIES = 5
CALL_SECONDS = 30.0
_TEXT = ("well", "I", "think", "that", "the", "answer", "is", "rather", "long,", "because", "nobody")
_SPEAKERS = (
    Speaker("ada", "Ada Lovelace", "interviewer", "interviewer"),
    Speaker("bob", "Bob", "candidate", "candidate"),
)


async def measure_exports(folder: Path) -> dict[str, tuple[float, ...]]:
    """Seconds from the question to the last byte of the answer: name of the call -> one time a try.

    Raises:
        LocalPartError: the service did not start.
        aiohttp.ClientError: a call failed.
    """
    url = f"sqlite:///{folder / 'exports.db'}"
    await _fill(url)
    limit = aiohttp.ClientTimeout(total=CALL_SECONDS)
    async with (
        served(folder, {"DATABASE_URL": url}) as (_, address),
        aiohttp.ClientSession(address, timeout=limit) as http,
    ):
        calls = {name: f"/rooms/long/transcript?format={name}" for name in FORMATS}
        calls["analytics"] = "/rooms/long/analytics"
        return {name: tuple([await _timed(http, path) for _ in range(TRIES)]) for name, path in calls.items()}


async def _timed(http: aiohttp.ClientSession, path: str) -> float:
    began = time.monotonic()
    async with http.get(path) as answer:
        answer.raise_for_status()
        await answer.read()
    return time.monotonic() - began


async def _fill(url: str) -> None:
    """Two people who talk by turns, without a pause of more than a second, for three hours."""
    store = open_store(url)
    try:
        opened = await store.open_session("long", "RM_long", "2026-11-25T10:00:00Z")
        items = [Stored(number + 1, _segment(number)) for number in range(WORDS // WORDS_A_SEGMENT)]
        for first in range(0, len(items), 200):
            await store.write("RM_long", opened.epoch, items[first : first + 200])
    finally:
        await store.aclose()


def _segment(number: int) -> Segment:
    step = HOURS * 3600 / WORDS
    texts = [_TEXT[(number * 7 + place) % len(_TEXT)] for place in range(WORDS_A_SEGMENT)]
    first = number * WORDS_A_SEGMENT * step
    words = tuple(
        Word(text, first + place * step, first + (place + 0.9) * step) for place, text in enumerate(texts)
    )
    return Segment(
        segment_id=f"SG_{number}",
        revision=1,
        final=True,
        speaker=_SPEAKERS[number // 3 % 2],
        track_sid=f"TR_{number // 3 % 2}",
        source="microphone",
        start=words[0].start,
        end=words[-1].end,
        text=" ".join(texts) + ".",
        words=words,
        language="en",
        confidence=0.93,
    )
