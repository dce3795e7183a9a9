"""What every store promises about items that come late (`Writer.import_items`)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.core.model import End, State, Status
from agent.errors import SessionFenced
from agent.store import KINDS
from agent.store.protocol import Imported, Origin, Store, Stored
from tests.contract.record import ADA, END, ENDED, LISTENING, ONE_OF_EACH, STARTED, gap, segment, sums, window
from tests.contract.test_stores import Another, another, database_url, room, sid, store

__all__ = ["another", "database_url", "room", "sid", "store"]

pytestmark = pytest.mark.parametrize("kind", sorted({*KINDS} - {"postgres"}))


def said(number: int) -> Stored:
    """A segment with its number as text."""
    return Stored(number, segment(f"number {number}", float(number)))


async def texts(store: Store, session: str) -> list[tuple[int, str]]:
    """Number and text of all segments, in order of number."""
    return sorted((seq, one.text) for seq, one in await store.segments(session))


async def test_write_tells_the_numbers(store: Store, room: str, sid: str) -> None:
    """The numbers asked for, also when the same is written again."""
    await store.open_session(room, sid, STARTED)
    assert await store.write(sid, 1, [said(1), said(2)]) == [1, 2]
    assert await store.write(sid, 1, [said(2), said(3)]) == [2, 3]


async def test_late_items_without_a_successor_are_as_if_written(store: Store, room: str, sid: str) -> None:
    """The writer died before it stored them: numbers, states, end and sums are as it had meant them."""
    await store.open_session(room, sid, STARTED)
    await store.write(sid, 1, [said(1)])
    batch = [said(2), Stored(3, LISTENING), Stored(4, window()), Stored(5, END)]
    for _ in range(2):
        found = await store.import_items(Origin(room, sid, STARTED, 1), [said(1), *batch])
        assert found.current
        assert found.seqs == (1, 2, 3, 4, 5)
    info = await store.find_session(room)
    assert info is not None
    assert (info.ended_at, info.accounting, info.state) == (ENDED, END.accounting, LISTENING)
    assert await store.items(sid) == [said(1), *batch]


async def test_a_successors_items_are_not_touched(
    store: Store, another: Another, room: str, sid: str
) -> None:
    """Both asked for the same numbers: the successor's stand, the late ones come after, each once."""
    await store.open_session(room, sid, STARTED)
    await store.write(sid, 1, [said(1)])
    successor = another()
    assert (await successor.open_session(room, sid, STARTED)).last_seq == 1
    await successor.write(
        sid, 2, [Stored(2, segment("new two", 12.0)), Stored(3, segment("new three", 13.0))]
    )
    origin = Origin(room, sid, STARTED, 1)
    late = [said(1), said(2), Stored(3, gap(2.5)), said(4)]
    first = await store.import_items(origin, late)
    assert first == Imported(current=False, ended=False, seqs=(1, 4, 5, 6))
    assert (await store.import_items(origin, late)).seqs == (1, 4, 5, 6)
    assert await texts(store, sid) == [
        (1, "number 1"),
        (2, "new two"),
        (3, "new three"),
        (4, "number 2"),
        (6, "number 4"),
    ]


async def test_a_live_writer_is_told_other_numbers(store: Store, room: str, sid: str) -> None:
    """Somebody's late items have taken its next numbers: it loses nothing, repeats nothing, and sees it."""
    await store.open_session(room, sid, STARTED)
    await store.open_session(room, sid, STARTED)
    await store.write(sid, 2, [said(1)])
    await store.import_items(Origin(room, sid, STARTED, 1), [said(1), said(2)])
    for _ in range(2):
        assert await store.write(sid, 2, [said(2), said(3)]) == [4, 5]
    assert await store.write(sid, 2, [said(3), said(4)]) == [5, 6]
    assert [seq for seq, _ in await texts(store, sid)] == [1, 2, 3, 4, 5, 6]


async def test_what_is_over_is_not_told(store: Store, room: str, sid: str) -> None:
    """A replaced writer's states, windows and end speak of a present that is over; the session runs on."""
    await store.open_session(room, sid, STARTED)
    await store.open_session(room, sid, STARTED)
    await store.write(sid, 2, [Stored(1, LISTENING)])
    await store.save_accounting(sid, 2, [sums(ADA)])
    stopped = Status(State.STOPPED)
    late = [Stored(1, stopped), Stored(2, window()), Stored(3, END), said(4)]
    found = await store.import_items(Origin(room, sid, STARTED, 1), late)
    assert found == Imported(current=False, ended=False, seqs=(None, None, None, 2))
    info = await store.find_session(room)
    assert info is not None
    assert (info.state, info.ended_at, info.accounting) == (LISTENING, None, (sums(ADA),))


async def test_an_ended_session_may_be_corrected(store: Store, room: str, sid: str) -> None:
    """Once the session has ended, windows and an end with the late words take the place of those before."""
    await store.open_session(room, sid, STARTED)
    await store.open_session(room, sid, STARTED)
    await store.write(sid, 2, [Stored(1, window()), Stored(2, END)])
    better: list[End] = [replace(END, words=99)]
    late = [Stored(1, window(0, 2, "hello there again")), Stored(2, better[0]), Stored(3, LISTENING)]
    found = await store.import_items(Origin(room, sid, STARTED, -1, "somebody"), late)
    assert found == Imported(current=False, ended=True, seqs=(3, 4, None))
    assert await store.windows(sid) == [(3, window(0, 2, "hello there again"))]
    assert await store.end_of(sid) == better[0]


async def test_a_session_that_was_never_opened(store: Store, another: Another, room: str, sid: str) -> None:
    """The store was away for the whole meeting: the session is made, and a later writer goes on."""
    origin = Origin(room, sid, STARTED, 0, "writer")
    for _ in range(2):
        found = await store.import_items(origin, [Stored(seq, one) for seq, one in enumerate(ONE_OF_EACH, 1)])
        assert found.current
    assert [stored.item for stored in await store.items(sid)] == list(ONE_OF_EACH)
    await store.save_speakers(sid, 0, [ADA])
    info = await store.find_session(room)
    assert info is not None
    assert (info.started_at, info.ended_at, info.session) == (STARTED, ENDED, sid)
    opened = await another().open_session(room, sid, STARTED)
    assert (opened.epoch, opened.last_seq, opened.speakers) == (1, len(ONE_OF_EACH), (ADA,))
    assert (await store.import_items(origin, [said(7)])).current is False
    with pytest.raises(SessionFenced):
        await store.save_speakers(sid, 0, [])


async def test_late_items_fill_no_hole(store: Store, room: str, sid: str) -> None:
    """Whoever has read on to number 5 will see them too: they come after it."""
    await store.open_session(room, sid, STARTED)
    await store.write(sid, 1, [said(1), said(5)])
    found = await store.import_items(Origin(room, sid, STARTED, 1), [said(2), said(3), said(9)])
    assert found.seqs == (6, 7, 9)


async def test_counts_of_different_writers_do_not_meet(store: Store, room: str, sid: str) -> None:
    """Two that never had an epoch count from 1 each; all their items are stored."""
    for writer in ("one", "two", "one"):
        await store.import_items(Origin(room, sid, STARTED, 0, writer), [said(1), said(2)])
    assert await texts(store, sid) == [(1, "number 1"), (2, "number 2"), (3, "number 1"), (4, "number 2")]


async def test_importing_is_no_sign_of_life(store: Store, room: str, sid: str) -> None:
    """Who takes in late items is no transcriber of the room."""
    await store.open_session(room, sid, STARTED)
    before = await store.find_session(room)
    await store.import_items(Origin(room, sid, STARTED, 1), [said(1)])
    after = await store.find_session(room)
    assert before is not None
    assert after is not None
    assert before.written_at == after.written_at


async def test_faults_of_our_own_are_not_imported(store: Store, room: str, sid: str) -> None:
    """Interims and numbers below 1 are refused as what they are."""
    with pytest.raises(ValueError, match="interim"):
        await store.import_items(
            Origin(room, sid, STARTED, 0, "a"), [Stored(1, replace(segment(), final=False))]
        )
    with pytest.raises(ValueError, match="seq"):
        await store.import_items(Origin(room, sid, STARTED, 0, "a"), [Stored(0, segment())])
    assert await store.find_session(room) is None
