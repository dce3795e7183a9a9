"""Tracks come and go by the hundred: nothing of them stays in the transcriber's process."""

from __future__ import annotations

import asyncio
import gc
import weakref
from dataclasses import astuple, dataclass
from pathlib import Path

import psutil
import pytest
from livekit import rtc
from livekit.rtc._ffi_client import FfiClient, _live_handles

from tests.conftest import LiveKit
from tests.integration.meeting import Meeting, meeting
from tests.integration.publisher import publisher

pytestmark = pytest.mark.live

WARM_UP = 8
"""Visits after which everything that is made once has been made; all identities have been seen."""
GROWTH_BYTES = 20_000_000
"""Of two hundred visits; one that kept its stream would keep a megabyte."""


@dataclass(frozen=True, slots=True)
class Held:
    """What this process holds."""

    tasks: int
    streams: int
    """LiveKit's audio streams that are open."""
    handles: int
    """LiveKit's native objects that Python owns."""
    subscribers: int
    """Queues that LiveKit's events go to."""
    files: int
    threads: int


def held() -> Held:
    """Count; what nothing refers to any more has been collected."""
    gc.collect()
    process = psutil.Process()
    return Held(
        tasks=len(asyncio.all_tasks()),
        streams=sum(
            isinstance(one, rtc.AudioStream) and not one._ffi_handle.disposed for one in gc.get_objects()
        ),
        handles=sum(not one.disposed for one in _live_handles),
        subscribers=len(FfiClient.instance.queue._subscribers),
        files=process.num_fds(),
        threads=process.num_threads(),
    )


async def visits(room: Meeting, first: int, count: int) -> None:
    """So many people join, are heard and leave, every other one with a second track."""
    livekit = room.livekit
    arguments = [livekit.url, livekit.api_key, livekit.api_secret, room.room, str(first), str(count)]
    async with publisher("crowd", *arguments) as crowd:
        assert await crowd.line(timeout=20 + 2 * count) == "done"
    present = room.heard.room.remote_participants
    await room.eventually(lambda: not any(identity.startswith("guest") for identity in present))
    await room.eventually(lambda: not any(one.get_name().startswith("track ") for one in asyncio.all_tasks()))


async def test_a_track_whose_publication_ends_first_is_let_go(livekit: LiveKit, tmp_path: Path) -> None:
    """LiveKit takes its room off a track that it finds by its publication, and finds none there."""
    async with meeting(livekit, tmp_path) as room:
        anna = await room.join("anna")
        publications = room.transcriber_room.remote_participants["anna"]._track_publications
        await room.eventually(lambda: all(one.track is not None for one in publications.values()))
        (track,) = [weakref.ref(one.track) for one in publications.values() if one.track is not None]
        publications.clear()
        await anna.leave()
        await room.eventually(lambda: gc.collect() >= 0 and track() is None)


@pytest.mark.timeout(900)
async def test_nothing_is_left_of_those_who_came_and_went(
    livekit: LiveKit, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    """Tasks, streams, native handles, files and threads are as many after many visits as after a few."""
    count = pytestconfig.getoption("--visits")
    async with meeting(livekit, tmp_path) as room:
        await room.join("host", publish=False)
        await visits(room, 0, WARM_UP)
        before, memory_before = held(), psutil.Process().memory_info().rss
        await visits(room, WARM_UP, count)
        after = held()
        try:
            async with asyncio.timeout(10):
                while any(more > less for less, more in zip(astuple(before), astuple(after), strict=True)):
                    await asyncio.sleep(0.5)
                    after = held()
        except TimeoutError:
            pytest.fail(f"{before} became {after}: {[one.get_name() for one in asyncio.all_tasks()]}")
        growth = psutil.Process().memory_info().rss - memory_before
        print(f"{count} visits: {after}, memory grew by {growth / 1e6:.1f} MB")
        assert growth < GROWTH_BYTES
        assert not room.stats()["open_sessions"]
