"""What every store promises to couriers of webhooks (`agent.store.deliveries`), asked of each of them."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from agent.store import KINDS
from agent.store.deliveries import Delivery
from agent.store.protocol import Store, Stored
from tests.contract.record import LISTENING, STARTED, ended_ago, gap, segment, window
from tests.contract.test_stores import Another, another, database_url, room, sid, store

__all__ = ["another", "database_url", "room", "sid", "store"]

pytestmark = pytest.mark.parametrize("kind", sorted({*KINDS} - {"postgres"}))

HOLD = 30.0


async def session_with(store: Store, room: str, sid: str, *seqs: int) -> None:
    """A session with windows of these numbers."""
    await store.open_session(room, sid, STARTED)
    await store.write(sid, 1, [Stored(seq, window(seq)) for seq in seqs])


async def claimed(store: Store, courier: str = "a", hold_seconds: float = HOLD) -> list[Delivery]:
    """What one courier gets."""
    return await store.claim_deliveries(courier, 100, hold_seconds)


async def test_only_windows_gaps_and_ends_are_delivered(store: Store, room: str, sid: str) -> None:
    """In order of their numbers; a session without any has nothing to claim."""
    await store.open_session(room, sid, STARTED)
    await store.write(sid, 1, [Stored(1, segment()), Stored(2, LISTENING)])
    assert await claimed(store) == []
    end = ended_ago()
    await store.write(sid, 1, [Stored(3, window()), Stored(4, segment()), Stored(6, gap()), Stored(9, end)])
    assert await claimed(store) == [Delivery(room, sid)]
    found: list[Stored] = []
    while one := await store.next_to_deliver(sid, found[-1].seq if found else 0):
        found.append(one)
    assert found == [Stored(3, window()), Stored(6, gap()), Stored(9, end)]
    assert await store.next_to_deliver(f"{sid}_2", 0) is None


async def test_a_cursor_is_kept(store: Store, another: Another, room: str, sid: str) -> None:
    """What is settled is not claimed again, by no process; what is stored later is."""
    await session_with(store, room, sid, 1, 2)
    [one] = await claimed(store)
    assert await store.note_delivery("a", replace(one, after=1))
    assert await claimed(another(), "b") == [Delivery(room, sid, after=1)]
    assert await another().note_delivery("b", replace(one, after=2))
    assert await claimed(store) == []
    await store.write(sid, 1, [Stored(3, gap())])
    assert await claimed(store) == [Delivery(room, sid, after=2)]


async def test_what_comes_late_is_delivered(store: Store, room: str, sid: str) -> None:
    """A session that ended and gets a window from its writer's spool has something to deliver again."""
    await session_with(store, room, sid, 1)
    await store.write(sid, 1, [Stored(2, ended_ago())])
    [one] = await claimed(store)
    assert await store.note_delivery("a", replace(one, after=2))
    await store.open_session(room, sid, STARTED)
    await store.write(sid, 2, [Stored(3, ended_ago())])
    assert [one.after for one in await claimed(store)] == [2]


async def test_one_of_many_couriers_has_a_session(
    store: Store, another: Another, room: str, sid: str
) -> None:
    """Eight ask at once: each of three sessions goes to exactly one of them."""
    sids = [f"{sid}_{number}" for number in range(3)]
    for one in sids:
        await session_with(store, room, one, 1)
    stores = [store, another(), another()]
    claims = await asyncio.gather(*(claimed(stores[number % 3], f"courier {number}") for number in range(8)))
    assert sorted(one.session for claim in claims for one in claim) == sids
    assert await claimed(store, "late") == []


async def test_a_claim_runs_out(store: Store, another: Another, room: str, sid: str) -> None:
    """A courier that died is followed; when it was only slow, it is told that it has lost the session."""
    await session_with(store, room, sid, 1)
    [one] = await claimed(store, "a", hold_seconds=0.6)
    assert await claimed(another(), "b") == []
    await asyncio.sleep(0.65)
    assert await claimed(another(), "b") == [one]
    assert not await store.note_delivery("a", replace(one, after=1))
    assert await another().note_delivery("b", replace(one, after=0))
    assert await claimed(store) == [one]


async def test_noting_renews_a_claim(store: Store, another: Another, room: str, sid: str) -> None:
    """As long as a courier goes on, nobody else begins."""
    await session_with(store, room, sid, 1, 2)
    [one] = await claimed(store, "a", hold_seconds=0.6)
    assert await store.note_delivery("a", replace(one, after=1), hold_seconds=HOLD)
    await asyncio.sleep(0.65)
    assert await claimed(another(), "b") == []


async def test_a_failed_session_waits_and_remembers(store: Store, room: str, sid: str) -> None:
    """It is not due before its pause is over, and knows since when it fails, until something is taken."""
    await session_with(store, room, sid, 1)
    for failures in (1, 2):
        [one] = await claimed(store)
        assert one.failures == failures - 1
        assert await store.note_delivery("a", replace(one, failures=failures), pause_seconds=0.6)
        assert await claimed(store) == []
        await asyncio.sleep(0.65)
    [one] = await claimed(store)
    assert (one.failures, 1.2 < one.failing_seconds < 10.0) == (2, True)
    assert await store.note_delivery("a", replace(one, failures=0))
    assert await claimed(store) == [Delivery(room, sid)]


async def test_those_not_seen_to_for_longest_come_first(store: Store, room: str, sid: str) -> None:
    """With a limit of one, three sessions take turns."""
    sids = [f"{sid}_{number}" for number in range(3)]
    for one in sids:
        await session_with(store, room, one, 1)
    turns = []
    for _ in range(6):
        [claim] = await store.claim_deliveries("a", 1, HOLD)
        turns.append(claim.session)
        await asyncio.sleep(0.01)
        assert await store.note_delivery("a", claim)
    assert sorted(turns[:3]) == sids
    assert turns[3:] == turns[:3]


async def test_a_stopping_courier_lets_go(store: Store, another: Another, room: str, sid: str) -> None:
    """Its sessions can be claimed at once, those of others stay theirs."""
    await session_with(store, room, sid, 1)
    assert len(await claimed(store)) == 1
    await session_with(store, room, f"{sid}_2", 1)
    assert len(await claimed(another(), "b")) == 1
    await store.release_deliveries("a")
    assert [one.session for one in await claimed(another(), "c")] == [sid]


async def test_long_ended_sessions_are_left_alone(store: Store, room: str, sid: str) -> None:
    """Whoever sets WEBHOOK_URL today is not sent last year."""
    for number, hours in enumerate((1.0, 47.0, 49.0)):
        one = f"{sid}_{number}"
        await session_with(store, room, one, 1)
        await store.write(one, 1, [Stored(2, ended_ago(hours=hours))])
    assert sorted(one.session for one in await claimed(store)) == [f"{sid}_0", f"{sid}_1"]


async def test_an_erased_session_is_delivered_no_further(
    store: Store, another: Another, room: str, sid: str
) -> None:
    """While a courier has it: no item is left to post, the courier is told, nobody claims it again."""
    await session_with(store, room, sid, 1, 2)
    [one] = await claimed(store)
    assert await another().erase(room, sid)
    assert await store.next_to_deliver(sid, 0) is None
    assert not await store.note_delivery("a", replace(one, after=1))
    await store.release_deliveries("a")
    assert await claimed(another(), "b") == []
