"""What every store promises (`agent.store.protocol`), asked of each of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio

from agent.core.model import Reason, Speaker, State, Status
from agent.errors import SessionFenced, StoreError
from agent.store import KINDS, open_store
from agent.store.listing import Wanted
from agent.store.protocol import Opened, Origin, RoomLife, Store, Stored
from tests.contract.record import (
    ADA,
    BOB,
    DEGRADED,
    END,
    ENDED,
    LISTENING,
    ONE_OF_EACH,
    STARTED,
    gap,
    segment,
    sums,
    window,
)

Another = Callable[[], Store]


@pytest.fixture
def database_url(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """A database of this kind."""
    if kind == "memory":
        return "memory:"
    if kind == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path}/record.db"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest_asyncio.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    """A store of this kind."""
    opened = open_store(database_url)
    yield opened
    await opened.aclose()


@pytest_asyncio.fixture
async def another(store: Store, kind: str, database_url: str) -> AsyncIterator[Another]:
    """Opens the same record once more, as another process would; memory is shared by nobody else."""
    opened: list[Store] = []

    def open_again() -> Store:
        if kind == "memory":
            return store
        opened.append(open_store(database_url))
        return opened[-1]

    yield open_again
    for one in opened:
        await one.aclose()


@pytest.fixture
def sid() -> str:
    """A session that no other test uses."""
    return f"RM_{uuid4().hex[:12]}"


@pytest.fixture
def room(sid: str) -> str:
    """A room that no other test uses."""
    return f"room of {sid}"


pytestmark = pytest.mark.parametrize("kind", sorted({*KINDS} - {"postgres"}))


async def numbered(store: Store, session: str) -> list[int]:
    """The numbers of all items."""
    return [stored.seq for stored in await store.items(session)]


async def test_first_writer_begins_at_nothing(store: Store, room: str, sid: str) -> None:
    """The first writer of a session has epoch 1 and an empty record."""
    assert await store.open_session(room, sid, STARTED) == Opened(epoch=1, last_seq=0)


async def test_every_item_comes_back_as_it_was(store: Store, room: str, sid: str) -> None:
    """Segments, windows, gaps, statuses and ends are read as they were written, in order of seq."""
    await store.open_session(room, sid, STARTED)
    written = [Stored(seq, item) for seq, item in enumerate(ONE_OF_EACH, start=1)]
    await store.write(sid, 1, written)
    assert await store.items(sid) == written


async def test_items_are_read_in_pages(store: Store, room: str, sid: str) -> None:
    """`after` and `limit` walk through all items once, whatever their types, also over holes."""
    await store.open_session(room, sid, STARTED)
    seqs = [1, 2, 3, 5, 8, 13, 21, 34]
    written = [Stored(seq, ONE_OF_EACH[seq % 5]) for seq in seqs]
    await store.write(sid, 1, written)
    pages: list[Stored] = []
    after = 0
    while page := await store.items(sid, after=after, limit=3):
        assert len(page) <= 3
        pages += page
        after = page[-1].seq
    assert pages == written


async def test_writing_again_is_harmless(store: Store, room: str, sid: str) -> None:
    """A seq that is stored stays as it is; the new ones of the same batch are stored."""
    await store.open_session(room, sid, STARTED)
    await store.write(sid, 1, [Stored(1, segment("first")), Stored(2, gap())])
    await store.write(sid, 1, [Stored(1, segment("other")), Stored(2, window()), Stored(3, LISTENING)])
    await store.write(sid, 1, [Stored(4, segment("fourth", 4.0)), Stored(4, gap(9.0))])
    assert await store.items(sid) == [
        Stored(1, segment("first")),
        Stored(2, gap()),
        Stored(3, LISTENING),
        Stored(4, segment("fourth", 4.0)),
    ]


async def test_order_of_writing_does_not_matter(store: Store, room: str, sid: str) -> None:
    """A lower seq that is written late finds its place."""
    await store.open_session(room, sid, STARTED)
    await store.write(sid, 1, [Stored(3, segment("three", 3.0))])
    await store.write(sid, 1, [Stored(2, segment("two", 2.0)), Stored(1, segment("one", 1.0))])
    assert await numbered(store, sid) == [1, 2, 3]


async def test_writing_nothing_still_tells_the_fence(store: Store, room: str, sid: str) -> None:
    """An empty batch is how a writer asks whether the session is still its own."""
    await store.open_session(room, sid, STARTED)
    await store.write(sid, 1, [])
    await store.open_session(room, sid, STARTED)
    with pytest.raises(SessionFenced):
        await store.write(sid, 1, [])


async def test_a_replaced_writer_stores_nothing(store: Store, another: Another, room: str, sid: str) -> None:
    """After a takeover every write of the earlier writer is refused and leaves no trace."""
    successor = another()
    await store.open_session(room, sid, STARTED)
    await store.write(sid, 1, [Stored(1, segment("mine"))])
    await store.save_speakers(sid, 1, [ADA])
    kept = replace(sums(ADA), not_received=1.5)
    await store.save_accounting(sid, 1, [kept])
    assert (await successor.open_session(room, sid, STARTED)).epoch == 2
    with pytest.raises(SessionFenced):
        await store.write(sid, 1, [Stored(2, segment("too late")), Stored(3, END)])
    with pytest.raises(SessionFenced):
        await store.save_speakers(sid, 1, [BOB])
    with pytest.raises(SessionFenced):
        await store.save_accounting(sid, 1, [])
    assert await numbered(successor, sid) == [1]
    info = await successor.find_session(room)
    assert info is not None
    assert (info.ended_at, info.accounting) == (None, (kept,))
    assert (await store.open_session(room, sid, STARTED)).speakers == (ADA,)


async def test_an_epoch_that_was_never_given_is_refused(store: Store, room: str, sid: str) -> None:
    """A writer that made its epoch up is not the session's."""
    await store.open_session(room, sid, STARTED)
    with pytest.raises(SessionFenced):
        await store.write(sid, 2, [Stored(1, segment())])


async def test_unknown_sessions_take_no_writes(store: Store, sid: str) -> None:
    """Writing before `open_session` is an error that says so, and no fence."""
    with pytest.raises(StoreError, match="open_session") as caught:
        await store.write(sid, 1, [Stored(1, segment())])
    assert not isinstance(caught.value, SessionFenced)


async def test_unknown_sessions_read_as_empty(store: Store, room: str, sid: str) -> None:
    """Readers of what is not there get nothing, not an error."""
    assert await store.find_session(room) is None
    assert await store.items(sid) == []
    assert await store.segments(sid) == []
    assert await store.windows(sid) == []
    assert await store.gaps(sid) == []
    assert await store.statuses(sid) == []
    assert await store.end_of(sid) is None


async def test_writers_that_race_get_epochs_of_their_own(
    store: Store, another: Another, room: str, sid: str
) -> None:
    """Eight takeovers at once: eight epochs, and only the highest may write."""
    stores = [store, another(), another()]
    opened = await asyncio.gather(*(stores[place % 3].open_session(room, sid, STARTED) for place in range(8)))
    assert sorted(one.epoch for one in opened) == list(range(1, 9))
    for one in opened:
        if one.epoch < 8:
            with pytest.raises(SessionFenced):
                await store.write(sid, one.epoch, [Stored(1, segment())])
    await store.write(sid, 8, [Stored(1, segment())])


async def test_last_seq_of_a_takeover_is_final(store: Store, another: Another, room: str, sid: str) -> None:
    """Nothing of the earlier writer arrives after the successor was told where to go on."""
    successor = another()
    await store.open_session(room, sid, STARTED)
    written = asyncio.Event()

    async def write_until_fenced() -> int:
        for seq in range(1, 2000):
            try:
                await store.write(sid, 1, [Stored(seq, segment(f"number {seq}", float(seq)))])
            except SessionFenced:
                return seq - 1
            if seq == 5:
                written.set()
            await asyncio.sleep(0)
        raise AssertionError("never fenced")

    async with asyncio.TaskGroup() as group:
        writer = group.create_task(write_until_fenced())
        await written.wait()
        opened = await successor.open_session(room, sid, STARTED)
    assert opened.last_seq == writer.result()
    assert await numbered(successor, sid) == list(range(1, opened.last_seq + 1))


async def test_a_successor_learns_where_to_go_on(store: Store, another: Another, room: str, sid: str) -> None:
    """Seq, labels, window revisions, sums and counts of the earlier writer are handed over."""
    await store.open_session(room, sid, STARTED)
    await store.save_speakers(sid, 1, [ADA, BOB])
    await store.save_accounting(sid, 1, [sums(ADA), sums(BOB, 7.0)])
    record = [segment("one two three"), segment("four", 9.0), window(0), window(0, 2), window(4), gap()]
    await store.write(sid, 1, [Stored(seq, item) for seq, item in enumerate(record, start=11)])
    assert await another().open_session(room, sid, STARTED) == Opened(
        epoch=2,
        last_seq=16,
        speakers=(ADA, BOB),
        last_windows={0: 2, 4: 1},
        accounting=(sums(ADA), sums(BOB, 7.0)),
        segments=2,
        words=4,
        gaps=1,
    )


async def test_labels_and_sums_are_replaced_as_a_whole(store: Store, room: str, sid: str) -> None:
    """Each save takes the place of the one before, in its order, and may be empty."""
    await store.open_session(room, sid, STARTED)
    for speakers in ([ADA], [BOB, ADA], []):
        await store.save_speakers(sid, 1, speakers)
        await store.save_accounting(sid, 1, [sums(speaker) for speaker in speakers])
        info = await store.find_session(room)
        assert info is not None
        assert info.accounting == tuple(sums(speaker) for speaker in speakers)
    await store.save_speakers(sid, 1, [BOB, ADA])
    assert (await store.open_session(room, sid, STARTED)).speakers == (BOB, ADA)


async def test_an_end_closes_the_session(store: Store, room: str, sid: str) -> None:
    """`End` sets the end and the sums that readers see; a second one of the same seq changes nothing."""
    await store.open_session(room, sid, STARTED)
    assert await store.end_of(sid) is None
    await store.write(sid, 1, [Stored(1, segment()), Stored(2, END)])
    await store.write(sid, 1, [Stored(2, replace(END, ended_at=STARTED, accounting=()))])
    assert await store.end_of(sid) == END
    info = await store.find_session(room)
    assert info is not None
    assert (info.ended_at, info.accounting, info.last_seq) == (ENDED, END.accounting, 2)


async def test_a_session_that_ended_can_run_again(store: Store, room: str, sid: str) -> None:
    """A successor opens it: no end until it writes one of its own; the first one stays among the items."""
    await store.open_session(room, sid, STARTED)
    await store.write(sid, 1, [Stored(1, END)])
    opened = await store.open_session(room, sid, "2026-11-25T11:00:00Z")
    assert (opened.epoch, opened.last_seq, opened.accounting) == (2, 1, END.accounting)
    info = await store.find_session(room)
    assert info is not None
    assert (info.started_at, info.ended_at) == (STARTED, None)
    assert await store.end_of(sid) is None
    second = replace(END, ended_at="2026-11-25T11:30:00Z", segments=9)
    await store.write(sid, 2, [Stored(2, segment("again")), Stored(3, second)])
    assert await store.end_of(sid) == second
    assert [type(stored.item).__name__ for stored in await store.items(sid)] == ["End", "Segment", "End"]


async def test_a_session_that_goes_on_after_its_end_runs_again(store: Store, room: str, sid: str) -> None:
    """The same writer listens again: no end, for any reader, until it writes the next one."""
    await store.open_session(room, sid, STARTED)
    await store.write(sid, 1, [Stored(1, LISTENING), Stored(2, END)])
    await store.write(sid, 1, [Stored(3, window()), Stored(4, DEGRADED), Stored(1, LISTENING)])
    assert await store.end_of(sid) == END, "what belongs to the time before its end is no new beginning"
    imported = await store.import_items(Origin(room, sid, STARTED, 1), [Stored(5, LISTENING)])
    assert imported.seqs == (5,)
    info = await store.find_session(room)
    assert info is not None
    assert (info.ended_at, info.state, info.accounting) == (None, DEGRADED, END.accounting)
    assert await store.end_of(sid) is None
    assert [life.ended_at for life in await store.lives(room)] == [None]
    assert [one.info.session for one in await store.list_sessions(Wanted(9, room=room, ended=False))] == [sid]
    second = replace(END, ended_at="2026-11-25T11:30:00Z", segments=9)
    await store.write(sid, 1, [Stored(6, segment("again")), Stored(7, second)])
    assert await store.end_of(sid) == second


async def test_lives_of_a_room_are_kept_apart(store: Store, room: str, sid: str) -> None:
    """The latest life is the one that started last, in whatever order they were opened."""
    lives = {
        f"{sid}_b": "2026-11-25T12:00:00+01:00",
        f"{sid}_c": "2026-11-25T11:00:00.001Z",
        f"{sid}_a": "2026-11-24T23:59:59Z",
    }
    for session, started_at in lives.items():
        await store.open_session(room, session, started_at)
        await store.write(session, 1, [Stored(1, segment(f"in {session}"))])
    latest = await store.find_session(room)
    assert latest is not None
    assert latest.session == f"{sid}_c"
    for session, started_at in lives.items():
        info = await store.find_session(room, session)
        assert info is not None
        assert (info.session, info.started_at) == (session, started_at)
        assert [one.text for _, one in await store.segments(session)] == [f"in {session}"]


async def test_a_session_is_found_only_by_its_own_room(store: Store, room: str, sid: str) -> None:
    """Another room's sid, or another room, finds nothing: who may read one room cannot reach a second."""
    await store.open_session(room, sid, STARTED)
    await store.open_session(f"{room} 2", f"{sid}_2", STARTED)
    assert await store.find_session(room, f"{sid}_2") is None
    assert await store.find_session(f"{room} 3", sid) is None
    assert await store.find_session(room.upper()) is None


async def test_the_lives_of_a_room_in_their_order(store: Store, room: str, sid: str) -> None:
    """From one on, or the latest; whoever follows a room finds the next life, and what is new in this one."""
    assert await store.lives(room) == []
    starts = ("2026-11-25T10:00:00Z", "2026-11-25T12:00:00.001Z", "2026-11-25T12:00:00.001Z")
    for number, started in reversed(list(enumerate(starts, start=1))):
        await store.open_session(room, f"{sid}_{number}", started)
    await store.open_session(f"{room} 2", f"{sid}_other", "2026-11-26T10:00:00Z")
    await store.write(f"{sid}_1", 1, [Stored(1, segment()), Stored(7, END)])
    first, second, third = (
        RoomLife(f"{sid}_1", starts[0], ENDED, 7),
        RoomLife(f"{sid}_2", starts[1], None, 0),
        RoomLife(f"{sid}_3", starts[2], None, 0),
    )
    assert await store.lives(room) == [third]
    assert await store.lives(room, f"{sid}_1") == [first, second, third]
    assert await store.lives(room, f"{sid}_2") == [second, third]
    assert await store.lives(room, f"{sid}_3") == [third]
    assert await store.lives(room, f"{sid}_other") == await store.lives(room, "none") == []
    latest = await store.find_session(room)
    assert latest is not None
    assert latest.session == third.session
    await store.open_session(room, first.session, first.started_at)
    assert (await store.lives(room, first.session))[0] == replace(first, ended_at=None)


async def test_segments_are_in_order_of_their_start(store: Store, room: str, sid: str) -> None:
    """Speakers who overlap are told in order of time; equal starts in order of seq."""
    await store.open_session(room, sid, STARTED)
    starts = [5.0, 0.25, 5.0, 1e9, 0.1 + 0.2]
    await store.write(sid, 1, [Stored(seq, segment("x", start)) for seq, start in enumerate(starts, start=1)])
    await store.write(sid, 1, [Stored(6, gap()), Stored(7, window())])
    assert [(seq, one.start) for seq, one in await store.segments(sid)] == [
        (2, 0.25),
        (5, 0.1 + 0.2),
        (1, 5.0),
        (3, 5.0),
        (4, 1e9),
    ]
    assert [seq for seq, _ in await store.segments(sid, after=3)] == [5, 4]


async def test_windows_are_read_in_their_last_revision(store: Store, room: str, sid: str) -> None:
    """One of each window, in order of window_id, also when an earlier revision was written late."""
    await store.open_session(room, sid, STARTED)
    written = [window(3, 2, "three two"), window(0, 1), window(3, 1), window(-1, 1), window(0, 2, "zero two")]
    await store.write(sid, 1, [Stored(seq, item) for seq, item in enumerate(written, start=1)])
    assert await store.windows(sid) == [(4, written[3]), (5, written[4]), (1, written[0])]


async def test_gaps_are_in_order_of_their_start(store: Store, room: str, sid: str) -> None:
    """What is missing is listed in order of time."""
    await store.open_session(room, sid, STARTED)
    written = [gap(9.0), gap(-1.0), gap(4.5)]
    await store.write(sid, 1, [Stored(seq, item) for seq, item in enumerate(written, start=1)])
    assert await store.gaps(sid) == [(2, gap(-1.0)), (3, gap(4.5)), (1, gap(9.0))]


async def test_state_is_the_worst_of_the_room_and_its_speakers(store: Store, room: str, sid: str) -> None:
    """Of each only the latest status counts."""
    await store.open_session(room, sid, STARTED)
    stopped = Status(State.STOPPED, Reason.QUOTA_EXCEEDED, None, "no credits are left")
    states: list[Status | None] = []
    back = replace(DEGRADED, state=State.LISTENING, reason=None)
    for seq, status in enumerate([LISTENING, DEGRADED, stopped, LISTENING, back], start=1):
        await store.write(sid, 1, [Stored(seq, status)])
        info = await store.find_session(room)
        assert info is not None
        states.append(info.state)
    assert states == [LISTENING, DEGRADED, stopped, DEGRADED, LISTENING]


async def test_writing_date_moves(store: Store, room: str, sid: str) -> None:
    """Readers can see that a writer is at work."""
    await store.open_session(room, sid, STARTED)
    before = await store.find_session(room)
    await store.write(sid, 1, [])
    after = await store.find_session(room)
    assert before is not None
    assert after is not None
    assert "2026" <= before.written_at <= after.written_at


async def test_any_text_is_kept(store: Store, sid: str) -> None:
    """Emoji, right to left, line separators, quotes and control characters come back as they were."""
    text = (
        "Zoë 👩🏽‍💻 שלום \u2028\u2029\x85\r\n\t\x01\x7f\ufeff"
        " '\"; DROP TABLE segments; -- %s :x \\u0000 \U0010ffff"
    )
    speaker = Speaker(text, text, text, text)
    said = segment(text, 1.0, speaker)
    room = f"{text} {sid}"
    await store.open_session(room, sid, STARTED)
    await store.save_speakers(sid, 1, [speaker])
    await store.write(sid, 1, [Stored(1, said), Stored(2, window(0, 1, text))])
    assert [stored.item for stored in await store.items(sid)] == [said, window(0, 1, text)]
    info = await store.find_session(room)
    assert info is not None
    assert info.room == room
    assert (await store.open_session(room, sid, STARTED)).speakers == (speaker,)


async def test_what_no_database_keeps_is_replaced(store: Store, sid: str) -> None:
    """U+0000 and lone surrogates become U+FFFD everywhere, and are found by either spelling."""
    odd, kept = "a\0b\ud800c\ud83d\ude00", "a\ufffdb\ufffdc😀"
    await store.open_session(odd + sid, sid + "\0", STARTED)
    await store.write(sid + "\0", 1, [Stored(1, replace(segment(odd), track_sid=odd))])
    info = await store.find_session(odd + sid)
    assert info is not None
    assert (info.room, info.session) == (kept + sid, sid + "\ufffd")
    assert await store.find_session(kept + sid) == info
    (found,) = await store.segments(sid + "\ufffd")
    assert (found[1].text, found[1].words[0].text, found[1].track_sid) == (kept, kept, kept)


async def test_numbers_that_are_none_are_replaced(store: Store, room: str, sid: str) -> None:
    """A time that is not finite becomes 0.0, such a confidence None: it must not stop the record."""
    await store.open_session(room, sid, STARTED)
    bad = replace(segment(), start=float("nan"), end=float("-inf"), confidence=float("nan"))
    await store.write(sid, 1, [Stored(1, bad)])
    assert await store.segments(sid) == [(1, replace(segment(), start=0.0, end=0.0, confidence=None))]


async def test_huge_items_are_kept(store: Store, room: str, sid: str) -> None:
    """A text of five million characters, and a segment of ten thousand words."""
    await store.open_session(room, sid, STARTED)
    huge, wordy = segment("🦣" * 5_000_000), segment("so " * 10_000, 2.0)
    await store.write(sid, 1, [Stored(1, huge), Stored(2, wordy)])
    assert await store.segments(sid) == [(1, huge), (2, wordy)]


async def test_many_items_in_one_batch(store: Store, room: str, sid: str) -> None:
    """A spool that is written back at once is no special case."""
    await store.open_session(room, sid, STARTED)
    batch = [Stored(seq, segment(f"number {seq}", float(seq))) for seq in range(1, 3001)]
    await store.write(sid, 1, batch)
    assert await numbered(store, sid) == list(range(1, 1001))
    assert len(await store.segments(sid)) == 3000


async def test_faults_of_our_own_are_not_stored(store: Store, room: str, sid: str) -> None:
    """Interims, numbers below 1 and dates that are none are refused as what they are."""
    await store.open_session(room, sid, STARTED)
    with pytest.raises(ValueError, match="interim"):
        await store.write(sid, 1, [Stored(1, replace(segment(), final=False))])
    with pytest.raises(ValueError, match="seq"):
        await store.write(sid, 1, [Stored(0, segment())])
    with pytest.raises(ValueError, match="isoformat"):
        await store.open_session(room, f"{sid}_2", "yesterday")
    assert await numbered(store, sid) == []


async def test_closing_twice_is_safe(store: Store) -> None:
    """Who is not sure whether it is closed closes it."""
    await store.migrate()
    await store.aclose()
    await store.aclose()
