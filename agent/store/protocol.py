"""What the worker writes and everybody reads: the record of a session.

A store keeps the items of a session under rising numbers (`seq`, 1, 2, 3 …), asked for by the one writer
that holds the session's epoch. A later writer takes a higher epoch; the earlier one's writes then
raise `SessionFenced`. Contract suite: `tests/contract/test_stores.py`.

What a writer could not store while the store was away waits in its spool (`agent.store.spool`), and may come
when a successor has long written on: `import_items` lets it in past the fence. This is what holds then:

- Every item is stored once. Its key is (who counted it, its count): an epoch and the seq asked for, or the
  spool's own name and its count when the session had not been opened. The same key again is harmless.
- Nobody's number is taken by somebody else's item. Who comes late gets numbers after the highest; a writer
  that asks for a number which such an item has got is given the next free one, and told (`write` returns
  the numbers). So numbers rise in the order of storing, and whoever reads on `after` a number misses nothing.
- Of a writer that has a successor only what was said and what is missing is taken (segments, gaps): its
  statuses and its end told of a present that is over, its windows lack the successor's words. A live
  successor sees by the numbers that something came, and revises the windows; in a session that has ended
  whoever imports does it (`agent.store.pickup`).
- A number that readers were shown is that of a stored item: what is shown unstored is shown without one.

What was written is what is read, with two exceptions that no database could keep: U+0000 and lone
surrogates come back as U+FFFD, and a number that is not finite comes back as 0.0 (a confidence as None).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from agent.core.model import Accounting, End, Gap, Item, Segment, Speaker, Status, Window
from agent.core.succession import Marks
from agent.store.deliveries import Deliveries
from agent.store.erasure import Erasing
from agent.store.listing import Listing
from agent.store.supervision import Supervision, Watching


@dataclass(frozen=True, slots=True)
class Opened:
    """What a writer needs to begin, or to go on after another one."""

    epoch: int
    """1 for the first writer of the session, one more for each successor."""
    last_seq: int
    """The highest seq in the store, 0 when it is empty."""
    speakers: tuple[Speaker, ...] = ()
    """Speakers with the labels they have had so far, in order of first appearance."""
    last_windows: Mapping[int, int] = field(default_factory=dict)
    """window_id -> highest stored revision."""
    accounting: tuple[Accounting, ...] = ()
    """The sums kept so far: a successor counts on from them."""
    segments: int = 0
    """Final segments in the store."""
    words: int = 0
    """Words of these segments."""
    gaps: int = 0
    """Gaps in the store."""
    marks: Marks | None = None
    """How far the predecessor had come with each track; None when there was none."""


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """One life of a room, as listed."""

    room: str
    session: str
    """The room's sid."""
    started_at: str
    """ISO 8601, UTC: the room's creation."""
    ended_at: str | None
    """ISO 8601, UTC; None while it runs."""
    last_seq: int
    state: Status | None
    """The worst of the last stored statuses of the whole room and of each speaker."""
    accounting: tuple[Accounting, ...] = ()
    written_at: str = ""
    """ISO 8601, UTC: when a writer last wrote; old while `ended_at` is None means the writer is gone."""
    erased_at: str | None = None
    """ISO 8601, UTC: when all that was said was erased; None while it is there."""


@dataclass(frozen=True, slots=True)
class RoomLife:
    """One life of a room, as whoever follows it needs to know: quick to ask for, again and again."""

    session: str
    """The room's sid."""
    started_at: str
    """ISO 8601, UTC: the room's creation."""
    ended_at: str | None
    """ISO 8601, UTC; None while it runs."""
    last_seq: int
    """The highest seq in the store, 0 when it is empty."""
    erased_at: str | None = None
    """ISO 8601, UTC: when all that was said was erased; None while it is there."""


@dataclass(frozen=True, slots=True)
class Stored:
    """One item with its number."""

    seq: int
    item: Item


@dataclass(frozen=True, slots=True)
class Origin:
    """Whose items come late, and of which session."""

    room: str
    session: str
    """The room's sid."""
    started_at: str
    """ISO 8601, UTC: the room's creation."""
    epoch: int
    """That of the writer; 0 when it never had one because the store was away."""
    writer: str = ""
    """Who counted the items when it was not the epoch's writer: unique. Empty: they are asked for by seq."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import found."""

    current: bool
    """True when the items' writer has no successor: all of them were taken as if written by itself."""
    ended: bool
    """True when the session has ended."""
    seqs: tuple[int | None, ...] = ()
    """The number of each item, None for one that was not taken."""
    erased: bool = False
    """True when the session was erased: nothing was taken, and never will be."""


class Writer(Protocol):
    """The writing side. All calls raise `StoreError` when the database is away; each has a time limit."""

    async def open_session(self, room: str, session: str, started_at: str) -> Opened:
        """Begin, or take over, a session: raises its epoch and returns where to go on.

        A session that had ended runs again (`ended_at` is None until the next `End`); its earlier `End`
        stays among the items. Room and `started_at` are those of the first writer.

        Raises:
            SessionErased: nothing more of it is kept.
            ValueError: `started_at` is not ISO 8601.
        """
        ...

    async def write(self, session: str, epoch: int, items: Sequence[Stored]) -> list[int]:
        """Store `items` in one transaction; returns their numbers, which are those asked for unless taken.

        Asking for the same seq again in the same epoch is harmless: the first item stays, its number is told.

        A stored segment is a final with text. An `End` closes the session and sets its sums. A status
        `listening` of the whole room after it says that the session runs again (`ended_at` is None).

        Raises:
            SessionFenced: another writer has taken the session over; nothing was stored.
            SessionErased: nothing more of it is kept; nothing was stored.
            ValueError: a seq below 1, or an interim segment.
        """
        ...

    async def import_items(self, origin: Origin, items: Sequence[Stored]) -> Imported:
        """Store in one transaction what a writer had to keep to itself, also when it has been replaced.

        A session that the store has never seen is made, with nobody's epoch (0). Of a replaced writer only
        segments and gaps are taken; windows and an end too once the session has ended: corrections of
        whoever has put all of it together. Importing again is harmless. No sign of life of the session.
        Of an erased session nothing is taken.

        Raises:
            ValueError: a seq below 1, or an interim segment.
        """
        ...

    async def save_speakers(self, session: str, epoch: int, speakers: Sequence[Speaker]) -> None:
        """Keep the labels for a successor, in place of those kept before.

        Raises:
            SessionFenced: another writer has taken the session over.
            SessionErased: nothing more of it is kept.
        """
        ...

    async def save_accounting(self, session: str, epoch: int, sums: Sequence[Accounting]) -> None:
        """Keep the running sums in place of those kept before: readers see them while the session runs.

        Raises:
            SessionFenced: another writer has taken the session over.
            SessionErased: nothing more of it is kept.
        """
        ...


class Reader(Watching, Listing, Protocol):
    """The reading side. All calls raise `StoreError` when the database is away; each has a time limit."""

    async def find_session(self, room: str, session: str | None = None) -> SessionInfo | None:
        """The latest session of a room (by `started_at`), or the one named; None when there is none."""
        ...

    async def lives(self, room: str, since: str | None = None) -> list[RoomLife]:
        """The sessions of a room, in the order in which `find_session` thinks of them: from `since` on,
        and none when that is no session of the room; or the latest alone.
        """
        ...

    async def items(self, session: str, after: int = 0, limit: int = 1000) -> list[Stored]:
        """Items with `seq > after`, in order of seq, at most `limit`."""
        ...

    async def segments(self, session: str, after: int = 0) -> list[tuple[int, Segment]]:
        """Final segments with `seq > after`, in order of start time (then of seq)."""
        ...

    async def windows(self, session: str) -> list[tuple[int, Window]]:
        """The highest revision of every window, in order of window_id."""
        ...

    async def gaps(self, session: str) -> list[tuple[int, Gap]]:
        """Gaps in order of start (then of seq)."""
        ...

    async def statuses(self, session: str) -> list[tuple[int, Status]]:
        """Statuses in order of seq."""
        ...

    async def end_of(self, session: str) -> End | None:
        """The session's end, None while it runs."""
        ...

    async def migrate(self) -> None:
        """Make the database ready now instead of at the first call; quick when there is nothing to do."""
        ...

    async def index_anew(self) -> bool:
        """Index some of what a program with older rules for words has indexed; True when there is none.

        One short step: call it until it is True.
        """
        ...

    async def aclose(self) -> None:
        """Release connections; safe to call twice."""
        ...


class Record(Reader, Erasing, Protocol):
    """What hands the record out may do with it: read, and erase."""


class Store(Writer, Record, Supervision, Deliveries, Protocol):
    """The whole record: `agent.store.open_store` makes one."""
