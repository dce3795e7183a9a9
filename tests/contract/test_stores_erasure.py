"""What every store promises about erasing (`agent.store.erasure`), asked of each of them."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from agent.core.model import Gap, Reason, Segment
from agent.core.search import parse_search
from agent.core.succession import Mark, Marks
from agent.core.supervision import Watched
from agent.errors import SessionErased, SessionFenced, StoreError
from agent.store import KINDS
from agent.store.erasure import Expired, Tombstone
from agent.store.listing import Listed, Wanted
from agent.store.protocol import Imported, Origin, Store, Stored
from tests.contract.record import ADA, BOB, END, ENDED, LISTENING, ONE_OF_EACH, STARTED, segment, sums
from tests.contract.test_stores import Another, another, database_url, room, sid, store

__all__ = ["another", "database_url", "room", "sid", "store"]

pytestmark = pytest.mark.parametrize("kind", sorted({*KINDS} - {"postgres"}))

LATER = "2026-11-26T10:00:00.250Z"


async def fill(store: Store, room: str, session: str, started_at: str = STARTED) -> None:
    """A session with everything that can be kept of one; it runs."""
    epoch = (await store.open_session(room, session, started_at)).epoch
    items = [Stored(seq, item) for seq, item in enumerate(ONE_OF_EACH, start=1) if item != END]
    await store.write(session, epoch, items)
    await store.save_speakers(session, epoch, [ADA, BOB])
    await store.save_accounting(session, epoch, [sums(ADA)])
    await store.beat(session, epoch, Marks(12.5, (Mark(ADA, "TR_1", 11.25),)))
    await store.announce(session)


async def kept(store: Store, session: str) -> list[object]:
    """What readers find of a session's items."""
    return [
        *await store.items(session),
        *await store.segments(session),
        *await store.windows(session),
        *await store.gaps(session),
        *await store.statuses(session),
        *filter(None, [await store.end_of(session)]),
    ]


async def test_an_erased_session_is_a_tombstone(store: Store, another: Another, room: str, sid: str) -> None:
    """Of a session that has ended only its dates are left, for every process."""
    await fill(store, room, sid)
    await store.write(sid, 1, [Stored(99, END)])
    tombstone = await another().erase(room, sid)
    assert tombstone is not None
    assert tombstone == Tombstone(room, sid, STARTED, ENDED, tombstone.erased_at)
    assert await kept(store, sid) == []
    info = await store.find_session(room, sid)
    assert info is not None
    assert (info.started_at, info.ended_at, info.erased_at) == (STARTED, ENDED, tombstone.erased_at)
    assert (info.last_seq, info.state, info.accounting) == (0, None, ())
    [life] = await store.lives(room, sid)
    assert (life.ended_at, life.last_seq, life.erased_at) == (ENDED, 0, tombstone.erased_at)
    assert await store.watched([sid]) == {sid: Watched(erased=True)}


async def test_a_session_that_is_there_is_not_erased(store: Store, room: str, sid: str) -> None:
    """Nobody is told of an erasure that was not."""
    await fill(store, room, sid)
    info = await store.find_session(room, sid)
    assert info is not None
    assert info.erased_at is None
    assert [life.erased_at for life in await store.lives(room)] == [None]
    assert not (await store.watched([sid]))[sid].erased


async def test_without_a_name_the_latest_life_is_erased(store: Store, room: str, sid: str) -> None:
    """The other lives of the room, and other rooms, keep what they have."""
    await fill(store, room, sid, LATER)
    await fill(store, room, f"{sid}_old")
    await fill(store, f"{room} 2", f"{sid}_2", LATER)
    tombstone = await store.erase(room)
    assert tombstone is not None
    assert tombstone.session == sid
    assert await kept(store, sid) == []
    assert len(await kept(store, f"{sid}_old")) > 5
    assert len(await kept(store, f"{sid}_2")) > 5
    info = await store.find_session(room)
    assert info is not None
    assert (info.session, info.erased_at) == (sid, tombstone.erased_at)


async def test_erasing_again_is_harmless(store: Store, another: Another, room: str, sid: str) -> None:
    """The second time, and two at once, tell the same tombstone."""
    await fill(store, room, sid)
    first, second = await asyncio.gather(store.erase(room, sid), another().erase(room, sid))
    assert first is not None
    assert first == second == await store.erase(room)


async def test_what_is_not_there_cannot_be_erased(store: Store, room: str, sid: str) -> None:
    """No tombstone for a room without a session, nor for a session of another room."""
    assert await store.erase(room) is None
    await fill(store, room, sid)
    assert await store.erase(f"{room} 2", sid) is None
    assert len(await kept(store, sid)) > 5


async def test_the_writer_of_an_erased_session_is_refused(
    store: Store, another: Another, room: str, sid: str
) -> None:
    """It learns by its next call, whichever that is, that nothing more is kept; and nothing is."""
    await fill(store, room, sid)
    tombstone = await another().erase(room)
    assert tombstone is not None
    assert tombstone.ended_at == tombstone.erased_at
    said = Stored(50, segment("afterwards"))
    for call in (
        store.write(sid, 1, []),
        store.write(sid, 1, [said]),
        store.save_speakers(sid, 1, [BOB]),
        store.save_accounting(sid, 1, [sums(BOB)]),
        store.beat(sid, 1, Marks(99.0, (Mark(BOB, "TR_2", 3.0),))),
        store.beat(sid, 1, None),
        store.leave(sid, 1),
        store.release(sid, 1, Marks(99.0)),
        store.open_session(room, sid, STARTED),
        store.write(sid, 2, [said]),
        another().open_session(room, sid, STARTED),
    ):
        with pytest.raises(SessionErased, match="erased"):
            await call
    assert not issubclass(SessionErased, SessionFenced)
    assert issubclass(SessionErased, StoreError)
    assert await kept(store, sid) == []
    assert await store.abandoned(0.0) == []
    assert await store.erase(room) == tombstone


async def test_a_spool_does_not_bring_it_back(store: Store, room: str, sid: str) -> None:
    """Whoever comes late with words of an erased session is told, and nothing is taken."""
    await fill(store, room, sid)
    await store.erase(room)
    late = [Stored(60, segment("late")), Stored(61, END)]
    for origin in (Origin(room, sid, STARTED, 1), Origin(room, sid, STARTED, 0, "somebody")):
        found = await store.import_items(origin, late)
        assert found == Imported(current=False, ended=True, seqs=(None, None), erased=True)
    assert (await store.import_items(Origin(room, sid, STARTED, 2), [])).erased
    assert await kept(store, sid) == []


async def test_a_spool_of_a_living_session_is_taken(store: Store, room: str, sid: str) -> None:
    """An import is refused for an erased session alone."""
    await fill(store, room, sid)
    assert not (await store.import_items(Origin(room, sid, STARTED, 1), [])).erased


async def test_a_write_under_way_is_erased_too(store: Store, another: Another, room: str, sid: str) -> None:
    """Writer and eraser race: whoever wins, nothing is left, and no later write gets in."""
    await fill(store, room, sid)
    writing = [Stored(seq, segment(f"word {seq}", float(seq))) for seq in range(100, 400)]
    eraser = another()
    results = await asyncio.gather(
        *(store.write(sid, 1, writing[part : part + 30]) for part in range(0, 300, 30)),
        eraser.erase(room, sid),
        return_exceptions=True,
    )
    assert all(isinstance(one, list | SessionErased | Tombstone) for one in results)
    assert isinstance(results[-1], Tombstone)
    assert await kept(store, sid) == []


async def test_nothing_of_it_is_delivered_any_more(store: Store, room: str, sid: str) -> None:
    """A courier that has claimed the session finds no item, its claim is gone, and it gets no new one."""
    await fill(store, room, sid)
    [claimed] = [one for one in await store.claim_deliveries(sid, 1000, 60.0) if one.session == sid]
    assert await store.next_to_deliver(sid, 0) is not None
    await store.erase(room)
    assert await store.next_to_deliver(sid, 0) is None
    assert not await store.note_delivery(sid, claimed, hold_seconds=60.0)
    assert sid not in {one.session for one in await store.claim_deliveries(sid, 1000, 60.0)}


async def test_nothing_of_it_is_found_any_more(store: Store, room: str, sid: str) -> None:
    """Neither by its words nor by their beginnings; the list has its tombstone."""
    await store.open_session(room, sid, STARTED)
    await store.write(sid, 1, [Stored(1, segment("swordfish tango"))])
    for sought in ("swordfish", "swordf*", '"swordfish tango"'):
        assert [one.matched for one in await found(store, room, sought)] == [1]
    tombstone = await store.erase(room)
    assert tombstone is not None
    for sought in ("swordfish", "swordf*", '"swordfish tango"'):
        assert await found(store, room, sought) == []
    [listed] = await found(store, room, None)
    assert (listed.info.session, listed.info.erased_at) == (sid, tombstone.erased_at)
    assert (listed.info.last_seq, listed.info.state, listed.matches) == (0, None, ())


async def found(store: Store, room: str, sought: str | None) -> list[Listed]:
    """Sessions of a room in which something was said."""
    search = None if sought is None else parse_search(sought)
    return await store.list_sessions(Wanted(limit=10, room=room, search=search))


async def test_the_room_can_live_again(store: Store, room: str, sid: str) -> None:
    """A later life of an erased one's room is a session like any other."""
    await fill(store, room, sid)
    await store.erase(room)
    opened = await store.open_session(room, f"{sid}_new", LATER)
    assert (opened.epoch, opened.last_seq, opened.speakers) == (1, 0, ())
    await store.write(f"{sid}_new", 1, [Stored(1, segment("new"))])
    assert [life.erased_at is None for life in await store.lives(room, sid)] == [False, True]
    items = [one.item for one in await store.items(f"{sid}_new")]
    assert [item.text for item in items if isinstance(item, Segment)] == ["new"]


async def test_sessions_expire_by_their_end(store: Store, room: str, sid: str) -> None:
    """The oldest first, a bounded number; not those that were erased, or ended later."""
    for day in (3, 1, 2, 5):
        name = f"{sid}_{day}"
        await store.open_session(room, name, STARTED)
        await store.write(name, 1, [Stored(1, replace(END, ended_at=f"2020-01-0{day}T00:00:00.000Z"))])
    before = "2020-01-04T00:00:00.000Z"
    oldest = [Expired(room, f"{sid}_{day}") for day in (1, 2, 3)]
    assert await store.expired(before, 10) == oldest
    assert await store.expired(before, 2) == oldest[:2]
    await store.erase(room, f"{sid}_1")
    assert await store.expired(before, 10) == oldest[1:]


async def test_a_session_that_nobody_ended_expires_by_its_last_write(
    store: Store, room: str, sid: str
) -> None:
    """One that runs was written to a moment ago; one whose writer died long ago will not be any more."""
    await store.open_session(room, sid, "2019-01-01T00:00:00.000Z")
    await store.write(sid, 1, [Stored(1, LISTENING), Stored(2, Gap(ADA, "TR_1", 0, 1, Reason.ENDED))])
    assert await store.expired("2026-01-01T00:00:00.000Z", 10) == []
    assert await store.expired("9999-01-01T00:00:00.000Z", 10) == [Expired(room, sid)]


async def test_one_at_a_time_erases_what_has_expired(store: Store, another: Another, sid: str) -> None:
    """Whoever asks first does it until its time is over; agents' supervisors are not in its way."""
    second = another()
    assert (await store.check_in(sid, "", takes_jobs=False, may_lead=True)).leads
    assert await store.may_erase_expired("one", 0.3)
    assert not await second.may_erase_expired("two", 0.3)
    assert await store.may_erase_expired("one", 0.3)
    async with asyncio.timeout(5):
        while not await second.may_erase_expired("two", 30):  # noqa: ASYNC110 - its time has no event
            await asyncio.sleep(0.05)
    assert not await store.may_erase_expired("one", 0.3)
