"""Any sequence of calls: every store says the same as a plain list would."""

from __future__ import annotations

import asyncio
import math
import tempfile
from collections.abc import Awaitable, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from agent.core.model import Accounting, End, Gap, Item, Segment, Speaker, Status, Window
from agent.core.statuses import worst
from agent.core.words import count_words
from agent.errors import SessionFenced
from agent.store import open_store
from agent.store.protocol import Opened, Origin, Store, Stored
from tests.contract.record import STARTED, accountings, items, names

SESSIONS = ("RM_1", "RM_2")
batches = st.lists(st.builds(Stored, st.integers(1, 12), items), max_size=4)
lags = st.sampled_from([0, 0, 0, 1, -1])
"""How far behind the session's epoch a writer is."""


def kept(value: Any) -> Any:
    """What may come back for a value: said once more, in other words than the code's."""
    if is_dataclass(value) and not isinstance(value, type):
        new = {one.name: kept(getattr(value, one.name)) for one in fields(value)}
        if (
            isinstance(value, Segment)
            and value.confidence is not None
            and not math.isfinite(value.confidence)
        ):
            new["confidence"] = None
        return replace(value, **new)
    if isinstance(value, tuple):
        return tuple(map(kept, value))
    if isinstance(value, float):
        return 0.0 if str(value) in ("nan", "inf", "-inf") else value
    if type(value) is str:
        joined = value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        return "".join("\ufffd" if one == "\0" else one for one in joined)
    return value


class Lists:
    """One session, as lists."""

    def __init__(self) -> None:
        self.epoch = 0
        self.ended_at: str | None = None
        self.items: list[tuple[int, Item]] = []
        self.keys: dict[tuple[str, int], int] = {}
        self.speakers: tuple[Speaker, ...] = ()
        self.sums: tuple[Accounting, ...] = ()

    def add(
        self, batch: Sequence[Stored], writer: str, *, as_asked: bool = True, late: bool = False
    ) -> list[int]:
        return [self.add_one(stored, (writer, stored.seq), as_asked, late) for stored in batch]

    def add_one(self, stored: Stored, key: tuple[str, int], as_asked: bool, late: bool) -> int:
        if key not in self.keys:
            taken = [seq for seq, _ in self.items]
            free = as_asked and stored.seq not in (range(max([0, *taken]) + 1) if late else taken)
            seq = self.keys[key] = stored.seq if free else max([0, *taken]) + 1
            item = kept(stored.item)
            self.items.append((seq, item))
            self.items.sort(key=lambda pair: pair[0])
            if isinstance(item, End):
                self.ended_at, self.sums = item.ended_at, item.accounting
        return self.keys[key]

    def of(self, kind: type[Any]) -> list[tuple[int, Any]]:
        return [(seq, item) for seq, item in self.items if isinstance(item, kind)]

    def windows(self) -> list[tuple[int, Window]]:
        last = {
            item.window_id: (seq, item)
            for seq, item in sorted(self.of(Window), key=lambda p: (p[1].revision, p[0]))
        }
        return [last[key] for key in sorted(last)]


class AnyCalls(RuleBasedStateMachine):
    """Calls of all kinds, by writers that are current, behind or ahead."""

    url = "memory:"

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.directory = tempfile.TemporaryDirectory()
        self.answer: object = None
        self.store: Store = open_store(self.url.format(directory=self.directory.name))
        self.model = {session: Lists() for session in SESSIONS}

    def run(self, call: Awaitable[Any]) -> Any:
        async def awaited() -> Any:
            return await call

        return self.runner.run(awaited())

    @initialize()
    def begin(self) -> None:
        for session in SESSIONS:
            self.open_session(session)

    @rule(session=st.sampled_from(SESSIONS))
    def open_session(self, session: str) -> None:
        known = self.model[session]
        known.epoch += 1
        known.ended_at = None
        said = [item for _, item in known.of(Segment)]
        assert self.run(self.store.open_session("room", session, STARTED)) == Opened(
            epoch=known.epoch,
            last_seq=max((seq for seq, _ in known.items), default=0),
            speakers=known.speakers,
            last_windows={one.window_id: one.revision for _, one in known.windows()},
            accounting=known.sums,
            segments=len(said),
            words=sum(count_words(one.text) for one in said),
            gaps=len(known.of(Gap)),
        )

    def fenced(self, lag: int, call: Awaitable[object]) -> bool:
        """True when the call was refused, which it must be exactly when the epoch is another one."""
        if lag == 0:
            self.answer = self.run(call)
            return False
        with pytest.raises(SessionFenced):
            self.run(call)
        return True

    @rule(session=st.sampled_from(SESSIONS), lag=lags, batch=batches)
    def write(self, session: str, lag: int, batch: list[Stored]) -> None:
        known = self.model[session]
        if not self.fenced(lag, self.store.write(session, known.epoch - lag, batch)):
            assert self.answer == known.add(batch, str(known.epoch))

    @rule(
        session=st.sampled_from(SESSIONS),
        lag=st.integers(-1, 3),
        writer=st.sampled_from(["", "a", "b"]),
        batch=batches,
    )
    def import_items(self, session: str, lag: int, writer: str, batch: list[Stored]) -> None:
        known = self.model[session]
        epoch = known.epoch - lag
        late = (Segment, Gap) if known.ended_at is None else (Segment, Gap, Window, End)
        found = self.run(self.store.import_items(Origin("room", session, STARTED, epoch, writer), batch))
        assert (found.current, found.ended) == (lag == 0, known.ended_at is not None)
        for stored, seq in zip(batch, found.seqs, strict=True):
            if lag == 0 or isinstance(stored.item, late):
                as_asked = lag == 0 and not writer
                assert [seq] == known.add([stored], writer or str(epoch), as_asked=as_asked, late=True)
            else:
                assert seq is None

    @rule(session=st.sampled_from(SESSIONS), lag=lags, speakers=st.lists(names, max_size=3))
    def save_speakers(self, session: str, lag: int, speakers: list[Speaker]) -> None:
        known = self.model[session]
        if not self.fenced(lag, self.store.save_speakers(session, known.epoch - lag, speakers)):
            known.speakers = kept(tuple(speakers))

    @rule(session=st.sampled_from(SESSIONS), lag=lags, sums=st.lists(accountings, max_size=3))
    def save_accounting(self, session: str, lag: int, sums: list[Accounting]) -> None:
        known = self.model[session]
        if not self.fenced(lag, self.store.save_accounting(session, known.epoch - lag, sums)):
            known.sums = kept(tuple(sums))

    @rule(session=st.sampled_from(SESSIONS), after=st.integers(0, 13), limit=st.integers(1, 13))
    def read(self, session: str, after: int, limit: int) -> None:
        known = self.model[session]
        page = [Stored(seq, item) for seq, item in known.items if seq > after][:limit]
        assert self.run(self.store.items(session, after, limit)) == page
        said = [pair for pair in known.of(Segment) if pair[0] > after]
        assert self.run(self.store.segments(session, after)) == sorted(said, key=lambda p: (p[1].start, p[0]))
        assert self.run(self.store.windows(session)) == known.windows()
        assert self.run(self.store.gaps(session)) == sorted(known.of(Gap), key=lambda p: (p[1].start, p[0]))
        assert self.run(self.store.statuses(session)) == sorted(known.of(Status), key=lambda p: p[0])
        ends = [end for _, end in known.of(End)]
        assert self.run(self.store.end_of(session)) == (ends[-1] if known.ended_at is not None else None)

    @rule(session=st.sampled_from(SESSIONS))
    def look(self, session: str) -> None:
        known = self.model[session]
        info = self.run(self.store.find_session("room", session))
        said = [status for _, status in known.of(Status)]
        whose = [status.speaker and status.speaker.identity for status in said]
        latest = [one for at, one in enumerate(said) if whose[at] not in whose[at + 1 :]]
        assert (info.ended_at, info.accounting, info.state, info.last_seq) == (
            known.ended_at,
            known.sums,
            worst(latest),
            max((seq for seq, _ in known.items), default=0),
        )

    def teardown(self) -> None:
        self.run(self.store.aclose())
        self.runner.close()
        self.directory.cleanup()


class AnyCallsOnSqlite(AnyCalls):
    """The same on a database."""

    url = "sqlite:///{directory}/record.db"


TestMemory = AnyCalls.TestCase
TestMemory.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestSqlite = AnyCallsOnSqlite.TestCase
TestSqlite.settings = settings(max_examples=15, stateful_step_count=20, deadline=None)
