"""A store in this process's memory: for programs without a database, and for tests. Ends with the process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import TypeVar

from agent.clock import timestamp
from agent.core.model import Accounting, End, Gap, Item, Segment, Speaker, Status, Window
from agent.core.statuses import worst
from agent.core.text import clean_text
from agent.core.words import count_words
from agent.errors import SessionErased, SessionFenced, StoreError
from agent.store.clean import check_items, clean
from agent.store.dates import unix_ms
from agent.store.erasure import Expired, Tombstone
from agent.store.listing import Listed, Wanted
from agent.store.memory_deliveries import MemoryDeliveries, Progress
from agent.store.memory_listing import Kept, list_kept
from agent.store.memory_supervision import Life, MemorySupervision
from agent.store.numbers import Numbers, may_come_late, resumes
from agent.store.protocol import Imported, Opened, Origin, RoomLife, SessionInfo, Stored
from agent.store.supervision import Abandoned

T = TypeVar("T")


@dataclass(slots=True)
class _Session:
    """Everything kept of one session."""

    room: str
    started_at: str
    started_unix_ms: int
    epoch: int = 0
    ended_at: str | None = None
    written_at: str = ""
    erased_at: str | None = None
    items: dict[int, Item] = field(default_factory=dict)
    speakers: tuple[Speaker, ...] = ()
    life: Life = field(default_factory=Life)
    progress: Progress = field(default_factory=Progress)
    accounting: tuple[Accounting, ...] = ()
    origins: dict[str, int] = field(default_factory=dict)
    """Who counted an item, and its count -> seq."""

    def put(self, origin: str, wanted: int | None, item: Item, *, rising: bool = False) -> int:
        """Keep an item unless it is kept already; its number."""
        numbers = Numbers(self.origins, {wanted} & self.items.keys(), self.last_seq)
        seq, new = numbers.give(origin, wanted, rising=rising)
        if new:
            kept = self.items[seq] = clean(item)
            if isinstance(kept, End):
                self.ended_at = kept.ended_at
                self.accounting = kept.accounting
            elif resumes(kept):
                self.ended_at = None
        return seq

    @property
    def last_seq(self) -> int:
        return max(self.items, default=0)

    def of_type(self, kind: type[T], after: int = 0) -> list[tuple[int, T]]:
        """Items of one type with `seq > after`, in order of seq."""
        return [(seq, item) for seq, item in sorted(self.items.items()) if seq > after and type(item) is kind]

    def windows(self) -> list[tuple[int, Window]]:
        """The highest revision of every window, in order of window_id."""
        best: dict[int, tuple[int, Window]] = {}
        for seq, window in self.of_type(Window):
            known = best.get(window.window_id)
            if known is None or window.revision >= known[1].revision:
                best[window.window_id] = (seq, window)
        return [best[window_id] for window_id in sorted(best)]


class MemoryStore(MemorySupervision, MemoryDeliveries):
    """See `agent.store.protocol.Store`; nothing here waits, so each call is one step for all others."""

    def __init__(self) -> None:
        super().__init__()
        self._sessions: dict[str, _Session] = {}
        self._erases: tuple[str, float] = ("", 0.0)
        """Who may erase what has expired, and until when (monotonic clock)."""

    async def open_session(self, room: str, session: str, started_at: str) -> Opened:
        """See `Writer.open_session`."""
        kept = self._sessions.setdefault(
            clean_text(session), _Session(clean_text(room), started_at, unix_ms(started_at))
        )
        if kept.erased_at is not None:
            raise _erased(session)
        kept.epoch += 1
        kept.ended_at = None
        kept.written_at = timestamp()
        kept.life = Life(beat_at=monotonic(), marks=kept.life.marks)
        segments = kept.of_type(Segment)
        return Opened(
            epoch=kept.epoch,
            last_seq=kept.last_seq,
            speakers=kept.speakers,
            last_windows={window.window_id: window.revision for _, window in kept.windows()},
            accounting=kept.accounting,
            segments=len(segments),
            words=sum(count_words(segment.text) for _, segment in segments),
            gaps=len(kept.of_type(Gap)),
            marks=kept.life.marks,
        )

    async def write(self, session: str, epoch: int, items: Sequence[Stored]) -> list[int]:
        """See `Writer.write`."""
        check_items(items)
        kept = self._held(session, epoch)
        return [kept.put(f"{epoch}:{stored.seq}", stored.seq, stored.item) for stored in items]

    async def import_items(self, origin: Origin, items: Sequence[Stored]) -> Imported:
        """See `Writer.import_items`."""
        check_items(items)
        unix = unix_ms(origin.started_at)
        kept = self._sessions.setdefault(
            clean_text(origin.session),
            _Session(clean_text(origin.room), origin.started_at, unix, written_at=timestamp()),
        )
        if kept.erased_at is not None:
            return Imported(current=False, ended=True, seqs=(None,) * len(items), erased=True)
        current, ended = kept.epoch == origin.epoch, kept.ended_at is not None
        writer = clean_text(origin.writer)
        seqs = tuple(
            kept.put(
                f"{writer or origin.epoch}:{stored.seq}",
                stored.seq if current and not writer else None,
                stored.item,
                rising=True,
            )
            if may_come_late(stored.item, current=current, ended=ended)
            else None
            for stored in items
        )
        return Imported(current, ended, seqs)

    async def save_speakers(self, session: str, epoch: int, speakers: Sequence[Speaker]) -> None:
        """See `Writer.save_speakers`."""
        self._held(session, epoch).speakers = clean(tuple(speakers))

    async def save_accounting(self, session: str, epoch: int, sums: Sequence[Accounting]) -> None:
        """See `Writer.save_accounting`."""
        self._held(session, epoch).accounting = clean(tuple(sums))

    def _deliverable(self) -> dict[str, _Session]:
        return self._sessions

    def _running(self) -> list[tuple[Abandoned, Life]]:
        running = [(sid, one) for sid, one in self._sessions.items() if one.ended_at is None]
        running.sort(key=lambda pair: pair[1].started_unix_ms, reverse=True)
        return [(Abandoned(one.room, sid, one.started_at), one.life) for sid, one in running]

    def _life(self, session: str, epoch: int | None = None) -> Life | None:
        if epoch is not None:
            return self._held(session, epoch).life
        kept = self._sessions.get(clean_text(session))
        return None if kept is None else kept.life

    def _held(self, session: str, epoch: int) -> _Session:
        kept = self._sessions.get(clean_text(session))
        if kept is None:
            raise StoreError(f"session {session!r} was never opened; call open_session first")
        if kept.erased_at is not None:
            raise _erased(session)
        if kept.epoch != epoch:
            raise SessionFenced(f"session {session!r} is held by epoch {kept.epoch}, not {epoch}")
        kept.written_at = timestamp()
        return kept

    async def find_session(self, room: str, session: str | None = None) -> SessionInfo | None:
        """See `Reader.find_session`."""
        found = [
            (kept.started_unix_ms, sid)
            for sid, kept in self._sessions.items()
            if kept.room == clean_text(room) and (session is None or sid == clean_text(session))
        ]
        if not found:
            return None
        return self._info(max(found)[1])

    def _info(self, sid: str) -> SessionInfo:
        kept = self._sessions[sid]
        latest: dict[str | None, Status] = {}
        for _, status in kept.of_type(Status):
            whose = status.speaker.identity if status.speaker else None
            latest.pop(whose, None)
            latest[whose] = status
        return SessionInfo(
            room=kept.room,
            session=sid,
            started_at=kept.started_at,
            ended_at=kept.ended_at,
            last_seq=kept.last_seq,
            state=worst(latest.values()),
            accounting=kept.accounting,
            written_at=kept.written_at,
            erased_at=kept.erased_at,
        )

    async def list_sessions(self, wanted: Wanted) -> list[Listed]:
        """See `Listing.list_sessions`."""
        return list_kept(
            [
                Kept(kept.started_unix_ms, self._info(sid), kept.of_type(Segment))
                for sid, kept in self._sessions.items()
            ],
            clean(wanted),
        )

    async def lives(self, room: str, since: str | None = None) -> list[RoomLife]:
        """See `Reader.lives`."""
        found = sorted(
            (kept.started_unix_ms, sid)
            for sid, kept in self._sessions.items()
            if kept.room == clean_text(room)
        )
        sids = [sid for _, sid in found]
        if since is None:
            sids = sids[-1:]
        else:
            sids = sids[sids.index(clean_text(since)) :] if clean_text(since) in sids else []
        lives = [(sid, self._sessions[sid]) for sid in sids]
        return [
            RoomLife(sid, one.started_at, one.ended_at, one.last_seq, one.erased_at) for sid, one in lives
        ]

    async def items(self, session: str, after: int = 0, limit: int = 1000) -> list[Stored]:
        """See `Reader.items`."""
        items = sorted(self._kept(session).items.items())
        return [Stored(seq, item) for seq, item in items if seq > after][:limit]

    async def segments(self, session: str, after: int = 0) -> list[tuple[int, Segment]]:
        """See `Reader.segments`."""
        found = self._kept(session).of_type(Segment, after)
        return sorted(found, key=lambda pair: (pair[1].start, pair[0]))

    async def windows(self, session: str) -> list[tuple[int, Window]]:
        """See `Reader.windows`."""
        return self._kept(session).windows()

    async def gaps(self, session: str) -> list[tuple[int, Gap]]:
        """See `Reader.gaps`."""
        return sorted(self._kept(session).of_type(Gap), key=lambda pair: (pair[1].start, pair[0]))

    async def statuses(self, session: str) -> list[tuple[int, Status]]:
        """See `Reader.statuses`."""
        return sorted(self._kept(session).of_type(Status), key=lambda pair: pair[0])

    async def end_of(self, session: str) -> End | None:
        """See `Reader.end_of`."""
        kept = self._kept(session)
        ends = kept.of_type(End)
        return ends[-1][1] if ends and kept.ended_at is not None else None

    async def erase(self, room: str, session: str | None = None) -> Tombstone | None:
        """See `Erasing.erase`."""
        info = await self.find_session(room, session)
        if info is None:
            return None
        erased_at = info.erased_at or timestamp()
        ended_at = info.ended_at or erased_at
        self._calls.pop(info.session, None)
        self._sessions[info.session] = _Session(
            info.room,
            info.started_at,
            unix_ms(info.started_at),
            ended_at=ended_at,
            written_at=info.written_at,
            erased_at=erased_at,
            life=Life(erased=True),
        )
        return Tombstone(info.room, info.session, info.started_at, ended_at, erased_at)

    async def expired(self, before: str, limit: int) -> list[Expired]:
        """See `Erasing.expired`."""
        found = sorted(
            (kept.ended_at or kept.written_at, sid, kept.room)
            for sid, kept in self._sessions.items()
            if kept.erased_at is None and (kept.ended_at or kept.written_at) < before
        )
        return [Expired(room, sid) for _, sid, room in found[:limit]]

    async def may_erase_expired(self, holder: str, seconds: float) -> bool:
        """See `Erasing.may_erase_expired`."""
        now = monotonic()
        if self._erases[0] != holder and self._erases[1] > now:
            return False
        self._erases = holder, now + seconds
        return True

    def _kept(self, session: str) -> _Session:
        """The session, or an empty one in its place: readers of an unknown session read nothing."""
        return self._sessions.get(clean_text(session)) or _Session("", "", 0)

    async def migrate(self) -> None:
        """Nothing to do."""

    async def index_anew(self) -> bool:
        """Nothing to do: there is no index."""
        return True

    async def aclose(self) -> None:
        """Nothing to release; the record stays readable."""


def _erased(session: str) -> SessionErased:
    return SessionErased(f"session {session!r} was erased; nothing more of it is kept")


def open_memory(_database_url: str) -> MemoryStore:
    """An empty store; what follows `memory:` is ignored."""
    return MemoryStore()
