"""What every store promises to those who supervise (`agent.store.supervision`), asked of each of them."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import pytest

from agent.closing import close_session
from agent.core.model import Accounting, Gap, Reason, Window
from agent.core.succession import Mark, Marks
from agent.core.supervision import Watched
from agent.errors import SessionFenced, StoreError
from agent.settings import Settings
from agent.store import KINDS
from agent.store.protocol import Origin, Store, Stored
from agent.store.supervision import Abandoned, Duty
from tests.contract.record import ADA, BOB, END, STARTED, segment, window
from tests.contract.test_stores import Another, another, database_url, room, sid, store

__all__ = ["another", "database_url", "room", "sid", "store"]

pytestmark = pytest.mark.parametrize("kind", sorted({*KINDS} - {"postgres"}))

MARKS = Marks(12.5, (Mark(ADA, "TR_1", 11.25), Mark(BOB, "TR_2", 3.0, muted=True, ended=9.0)))


async def seen(store: Store, session: str) -> Watched:
    """What is known of one session."""
    return (await store.watched([session]))[session]


async def test_nothing_is_known_of_an_unknown_session(store: Store, sid: str) -> None:
    """A room that never had a transcriber has neither beats nor calls."""
    assert await store.watched([sid, f"{sid}_2"]) == {sid: Watched(), f"{sid}_2": Watched()}
    assert await store.watched([]) == {}


async def test_a_writer_lives_from_its_opening_on(
    store: Store, another: Another, room: str, sid: str
) -> None:
    """Opening a session is its first beat; beats are told by their age, to every process."""
    await store.open_session(room, sid, STARTED)
    assert (await seen(another(), sid)).served
    await asyncio.sleep(0.3)
    old = (await seen(another(), sid)).beat_age
    assert old is not None
    assert 0.25 <= old < 3
    await store.beat(sid, 1, None)
    young = (await seen(another(), sid)).beat_age
    assert young is not None
    assert young < old


async def test_marks_reach_the_successor(store: Store, another: Another, room: str, sid: str) -> None:
    """The last marks that were sent are read by whoever takes over; a beat without marks keeps them."""
    assert (await store.open_session(room, sid, STARTED)).marks is None
    await store.beat(sid, 1, Marks(1.0))
    await store.beat(sid, 1, MARKS)
    await store.beat(sid, 1, None)
    assert (await another().open_session(room, sid, STARTED)).marks == MARKS
    await store.release(sid, 2, Marks(20.0))
    assert (await another().open_session(room, sid, STARTED)).marks == Marks(20.0)


async def test_a_replaced_transcriber_learns_it_from_any_sign(store: Store, room: str, sid: str) -> None:
    """Beats, leaving and release of an earlier epoch are refused and change nothing."""
    await store.open_session(room, sid, STARTED)
    await store.beat(sid, 1, MARKS)
    await store.open_session(room, sid, STARTED)
    for sign in (store.beat(sid, 1, Marks(0.0)), store.leave(sid, 1), store.release(sid, 1, Marks(0.0))):
        with pytest.raises(SessionFenced):
            await sign
    assert (await seen(store, sid)).served
    assert (await store.open_session(room, sid, STARTED)).marks == MARKS
    with pytest.raises(StoreError):
        await store.beat(f"{sid}_2", 1, None)


async def test_leaving_release_and_succession(store: Store, another: Another, room: str, sid: str) -> None:
    """One that leaves beats on, sees its successor arrive, is gone after its release; the successor stays."""
    await store.open_session(room, sid, STARTED)
    await store.arrive(sid)
    await asyncio.sleep(0.02)
    await store.leave(sid, 1)
    await store.beat(sid, 1, None)
    leaving = await seen(store, sid)
    assert (leaving.beating, leaving.served, leaving.succeeded) == (True, False, False)
    await asyncio.sleep(0.02)
    await another().arrive(sid)
    assert (await seen(store, sid)).succeeded
    await store.release(sid, 1, MARKS)
    gone = await seen(another(), sid)
    assert (gone.beating, gone.beat_age) == (False, None)
    assert gone.leaving_age is not None
    await another().open_session(room, sid, STARTED)
    assert (await seen(store, sid)).served


async def test_announced_jobs_are_expected(store: Store, another: Another, sid: str) -> None:
    """A worker that took a job is seen by all, also before the session exists."""
    await store.announce(sid)
    assert (await seen(another(), sid)).expected
    assert (await seen(another(), f"{sid}_2")) == Watched()


async def test_one_of_many_supervisors_calls(store: Store, another: Another, sid: str) -> None:
    """Eight supervisors saw the same state: one of them calls, and the next call is one for one again."""
    stores = [store, another(), another()]
    for calls in (1, 2):
        stamp = (await seen(store, sid)).call_stamp
        claims = await asyncio.gather(*(stores[n % 3].call(sid, stamp, calls) for n in range(8)))
        assert sorted(claims) == [False] * 7 + [True]
        now = await seen(another(), sid)
        assert (now.calls, now.call_stamp != stamp) == (calls, True)
        assert now.call_age is not None
        await asyncio.sleep(0.02)


async def test_a_call_after_an_announcement(store: Store, sid: str) -> None:
    """The row that an announcement made does not hinder a call, nor a call the next announcement."""
    await store.announce(sid)
    assert await store.call(sid, 0, 1)
    await store.announce(sid)
    now = await seen(store, sid)
    assert (now.calls, now.call_age is not None, now.coming_age is not None) == (1, True, True)


async def test_one_supervisor_leads(store: Store, another: Another, sid: str) -> None:
    """The first to check in leads until it checks out; each agent name has a leader of its own."""
    other = another()
    name = f"agent {sid}"
    assert await store.check_in("a", name, takes_jobs=True, may_lead=True) == Duty(leads=True, takers=1)
    assert await other.check_in("b", name, takes_jobs=False, may_lead=True) == Duty(leads=False, takers=1)
    assert await other.check_in("c", f"{name} 2", takes_jobs=True, may_lead=True) == Duty(
        leads=True, takers=1
    )
    assert await store.check_in("a", name, takes_jobs=False, may_lead=True) == Duty(leads=True, takers=0)
    assert await other.check_in("b", name, takes_jobs=True, may_lead=True) == Duty(leads=False, takers=1)
    await store.check_out("a")
    meek = await other.check_in("c", name, takes_jobs=False, may_lead=False)
    assert meek == Duty(leads=False, takers=1)  # the lead is free, but not for everybody
    assert await other.check_in("b", name, takes_jobs=True, may_lead=True) == Duty(leads=True, takers=1)
    await other.check_out("b")
    assert await store.takers(name) == 0
    await other.check_out("c")


async def test_a_leader_that_is_gone_is_followed(
    store: Store, another: Another, sid: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A leader that does not check in any more loses its lease, and is no taker any more."""
    for module in ("memory_supervision", "supervision_queries"):
        monkeypatch.setattr(f"agent.store.{module}.LEASE_SECONDS", 0.2)
        monkeypatch.setattr(f"agent.store.{module}.PRESENT_SECONDS", 0.2)
    other = another()
    assert (await store.check_in("a", sid, takes_jobs=True, may_lead=True)).leads
    assert not (await other.check_in("b", sid, takes_jobs=True, may_lead=True)).leads
    await asyncio.sleep(0.3)
    assert await other.check_in("b", sid, takes_jobs=True, may_lead=True) == Duty(leads=True, takers=1)
    assert not (await store.check_in("a", sid, takes_jobs=True, may_lead=True)).leads


async def test_sessions_without_an_end_are_found(store: Store, another: Another, room: str, sid: str) -> None:
    """Those of which nothing was heard for long, newest first; not those that ended, live or leave."""
    starts = ["2026-11-25T10:00:00Z", "2026-11-25T10:00:01Z", *[STARTED] * 3]
    for number, started_at in enumerate(starts):
        await store.open_session(room, f"{sid}_{number}", started_at)
    await store.write(f"{sid}_2", 1, [Stored(1, END)])
    await asyncio.sleep(0.3)
    await store.beat(f"{sid}_3", 1, None)
    await store.leave(f"{sid}_4", 1)
    silent = [one for one in await another().abandoned(0.2) if one.room == room]
    assert silent == [Abandoned(room, f"{sid}_{number}", starts[number]) for number in (1, 0)]
    assert [one for one in await store.abandoned(60) if one.room == room] == []


async def test_a_session_whose_room_is_gone_is_closed(
    store: Store, another: Another, room: str, sid: str
) -> None:
    """What a dead transcriber left open gets its gaps, its windows and its end; it is fenced off."""
    await store.open_session(room, sid, STARTED)
    said = [segment("one two", 5.0), segment("three", 20.5), segment("four", 24.0)]
    await store.write(sid, 1, [Stored(seq, one) for seq, one in enumerate(said, start=1)])
    await store.beat(sid, 1, Marks(25.0, (Mark(ADA, "TR_1", 20.0), Mark(BOB, "TR_2", 20.0, muted=True))))
    await store.save_accounting(sid, 1, [Accounting(ADA, 40.0, 10.0, 11.0, 7.0)])
    gone = datetime.fromisoformat(STARTED) + timedelta(seconds=40)
    await close_session(another(), Settings(), Abandoned(room, sid, STARTED), gone)
    items = [one.item for one in await store.items(sid, after=3)]
    assert items[:2] == [
        Gap(ADA, "TR_1", 21.0, 24.0, Reason.TRANSCRIBER_LOST),
        Gap(ADA, "TR_1", 24.5, 40.0, Reason.TRANSCRIBER_LOST),
    ]
    assert [(one.window_id, one.complete) for one in items if isinstance(one, Window)] == [
        (0, True),
        (1, True),
        (2, True),
    ]
    end = await store.end_of(sid)
    assert end is not None
    assert (end.segments, end.words, end.windows, end.gaps) == (3, 4, 3, 2)
    assert end.ended_at == "2026-11-25T10:00:40.250Z"
    assert [(one.speech, one.answered, one.gap) for one in end.accounting] == [(10.0, 7.0, 3.0)]
    assert all(one.balanced for one in end.accounting)
    assert await store.abandoned(0) == []
    with pytest.raises(SessionFenced):
        await store.write(sid, 1, [Stored(9, segment())])


async def test_a_session_is_closed_on_its_own_windows(
    store: Store, another: Another, room: str, sid: str
) -> None:
    """The settings were changed since: what is closed lies on the grid of the windows that are stored."""
    await store.open_session(room, sid, STARTED)
    said = [segment("one", 5.0), segment("two", 25.0)]
    items = [*said, window(1), segment("three", 61.0)]
    await store.write(sid, 1, [Stored(seq, one) for seq, one in enumerate(items, start=1)])
    gone = datetime.fromisoformat(STARTED) + timedelta(seconds=10)
    settings = Settings.from_env({"WINDOW_SECONDS": "60", "WINDOW_OVERLAP_SECONDS": "0"})
    await close_session(another(), settings, Abandoned(room, sid, STARTED), gone)
    windows = [one for _, one in await store.windows(sid)]
    assert [(one.window_id, one.start, one.end) for one in windows] == [
        (k, 10.0 * k, 10.0 * k + 20.0) for k in (0, 1, 2, 5, 6)
    ]
    end = await store.end_of(sid)
    assert end is not None
    assert end.ended_at == "2026-11-25T10:01:01.750Z", "not before what was said last"


async def test_how_long_an_abandoned_session_is_silent(store: Store, room: str, sid: str) -> None:
    """By the last sign of life of its transcriber; unknown of one that never came to open it."""
    await store.open_session(room, sid, STARTED)
    await store.import_items(Origin(room, f"{sid}_never", STARTED, 0, "spool"), [Stored(1, segment())])
    await asyncio.sleep(0.3)
    silent = {one.session: one.silent_seconds for one in await store.abandoned(0.2) if one.room == room}
    assert silent.pop(f"{sid}_never") is None
    assert 0.2 < (silent[sid] or 0.0) < 60
