"""When a session whose transcriber died has ended: with the room, or with the last sign of life."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from agent.clock import timestamp
from agent.core.model import Gap, Reason
from agent.core.succession import Mark, Marks
from agent.settings import Settings
from agent.store.memory import MemoryStore
from agent.store.protocol import Stored
from agent.supervise import Supervisor
from tests.contract.record import ADA, segment
from tests.session.virtual_time import in_virtual_time

DAY = 86_400.0


async def left_alone(began: datetime) -> MemoryStore:
    """A session whose transcriber died 12.5 s after its beginning."""
    store = MemoryStore()
    await store.open_session("room", "RM_1", timestamp(began))
    await store.write("RM_1", 1, [Stored(1, segment("one two", 5.0))])
    await store.beat("RM_1", 1, Marks(12.5, (Mark(ADA, "TR_1", 11.25),)))
    return store


@in_virtual_time
async def test_no_process_ran_for_days() -> None:
    """Nobody saw the room go: it ended with the last sign of life, and no gap covers the days since."""
    began = datetime.now(UTC) - timedelta(seconds=3 * DAY)
    store = await left_alone(began)
    await asyncio.sleep(3 * DAY)
    await Supervisor(Settings(), cast(Any, None))._close_gone(store, frozenset())
    gaps = [gap for _, gap in await store.gaps("RM_1")]
    assert gaps == [Gap(ADA, "TR_1", 11.25, 12.5, Reason.TRANSCRIBER_LOST)]
    end = await store.end_of("RM_1")
    assert end is not None
    assert end.ended_at == timestamp(began + timedelta(seconds=12.5))


@in_virtual_time
async def test_the_room_was_seen_to_go() -> None:
    """People may have spoken until then; after a pause of the supervisor, until its last look."""
    for pause in (0.0, 30.0):
        began = datetime.now(UTC) - timedelta(seconds=100)
        store = await left_alone(began)
        await asyncio.sleep(100)
        supervisor = Supervisor(Settings(), cast(Any, None))
        await supervisor._close_gone(store, frozenset({"RM_1"}))
        supervisor._looked_at -= timedelta(seconds=pause)
        supervisor._close_at = 0.0
        await supervisor._close_gone(store, frozenset())
        [gap] = [gap for _, gap in await store.gaps("RM_1")]
        assert gap.start == 11.25
        assert 100 - pause <= gap.end < 110 - pause
