"""Numbers the items of a session and stores them before anybody sees them; keeps them when the store is away.

Two clocks start with the first thing that waits for the store. After `spool_after_seconds` all that waits is
put on disk as well (`agent.store.spool`), so that a death of this process loses none of it. After
`publish_after_seconds` the room is told, and what waits, like everything recorded from then on, goes out live
without a number. When the store is back all of it is stored in order, once each, and the room is told again;
its numbers are in the store, for whoever asks for history.

The session need not be open for any of this: it is opened as soon as the store allows it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from agent.core.backlog import Losses, Waiting
from agent.core.model import Accounting, End, Gap, Item, Reason, Segment, Speaker, State, Status, Window
from agent.errors import SessionErased, SessionFenced, StoreError
from agent.metrics import STORE_AWAY, WAITING
from agent.pending import Pending
from agent.sinks.protocol import Outgoing
from agent.store.pickup import Picker
from agent.store.protocol import Opened, Origin, Store
from agent.store.spool import Spool

log = logging.getLogger(__name__)

T = TypeVar("T")

WATCH_SECONDS = 0.1
PICK_UPS = 3
"""Tries to take in what was left of the session, before it begins without."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long what is waited for."""

    spool_after_seconds: float = 0.5
    publish_after_seconds: float = 1.75
    probe_seconds: float = 1.0
    """While there is nothing to write, so often the store is asked whether it is there.

    With the patience before it, the room is told within 3 s.
    """
    retry_seconds: tuple[float, ...] = (0.1, 0.2, 0.5, 1.0, 2.0)
    """Pauses between tries, the last one again and again."""
    items_in_memory: int = 2000
    """Beyond it the oldest are on disk alone; what is not even there is given up."""


@dataclass(frozen=True, slots=True)
class Begun:
    """What the store knew of the session when it was opened."""

    opened: Opened
    segments: tuple[Segment, ...] = ()
    windows: tuple[Window, ...] = ()
    """The highest revision of each."""
    gaps: tuple[Gap, ...] = ()
    statuses: tuple[Status, ...] = ()

    @property
    def settled(self) -> tuple[Segment | Gap, ...]:
        """All that was said or is known to be missing."""
        return *self.segments, *self.gaps


@dataclass(frozen=True, slots=True)
class Listeners:
    """Who is told what the recorder finds. Plain calls."""

    publish: Callable[[Outgoing], None]
    """Every item, once: with its number when it is stored, without one when the store is away for long."""
    taken_in: Callable[[Sequence[Item]], None] = lambda _items: None
    """Items of an earlier writer that somebody has stored meanwhile."""
    windows_lost: Callable[[frozenset[int]], None] = lambda _window_ids: None
    """Windows of which the newest revision could not be kept."""


class Recorder:
    """The one writer of a session."""

    def __init__(
        self,
        store: Store,
        spool: Spool,
        picker: Picker,
        listeners: Listeners,
        patience: Patience = Patience(),
    ) -> None:
        """`spool.head` names the session; `picker` takes in what earlier writers on this host have left."""
        self._store = store
        self._head = spool.head
        self._picker = picker
        self._tell = listeners
        self._patience = patience
        self._session = spool.head.session
        self._pending = Pending(spool, patience.items_in_memory)
        self._published = 0
        self._stored = 0
        self._last_seq = 0
        self._sums: Sequence[Accounting] | None = None
        self._speakers: Sequence[Speaker] | None = None
        self._pick_ups = PICK_UPS
        self._since: float | None = None
        """Since when (loop time) something has waited for the store."""
        self._away = False
        self._told = False
        self._begun: Begun | None = None
        self._opened = asyncio.Event()
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self.fenced = asyncio.Event()
        """Set when another writer has taken the session over, or the session was erased: leave."""
        self.over_because = "another transcriber has taken over"
        """Why it was set."""

    # ---- the session's side

    async def begun(self, seconds: float | None = None) -> Begun | None:
        """What the store knows, once the session is open; None when it is not within `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                await self._opened.wait()
        except TimeoutError:
            return None
        return self._begun

    def record(self, item: Item) -> None:
        """Number an item and queue it; never blocks."""
        if self.fenced.is_set():
            return
        if self._pending.full and not self._told:
            self._go_live("too much waits")
        waiting = self._pending.add(item)
        WAITING.inc()
        if isinstance(item, End):
            self.save_accounting(item.accounting)  # what is queued of them is older than the end's
        if self._told:
            self._show(waiting, None)
        self._rouse()

    def save_speakers(self, speakers: Sequence[Speaker]) -> None:
        """Queue the labels given so far."""
        self._speakers = speakers
        self._pending.note_speakers(speakers)
        self._rouse()

    def save_accounting(self, sums: Sequence[Accounting]) -> None:
        """Queue the running sums; only the newest wait."""
        self._sums = sums
        self._pending.note_sums(sums)
        self._rouse()

    async def run(self) -> None:
        """Open the session and write until cancelled, another writer has taken over, or it was erased."""
        try:
            async with asyncio.TaskGroup() as group:
                watching = [
                    group.create_task(self._watch(), name="store watch"),
                    group.create_task(self._spill_while_away(), name="spool"),
                ]
                await self._store_all()
                for task in watching:
                    task.cancel()
        finally:
            if self._pending.erased:
                await self._pending.clear()
            elif not self._pending.empty or (self._waits and not self.fenced.is_set()):
                await self._pending.spill()
            self._pending.close()

    async def drain(self, seconds: float) -> bool:
        """Wait until all is stored, at most `seconds`; False when time ran out (it is spooled then)."""
        try:
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True

    def _rouse(self) -> None:
        if not self.fenced.is_set():
            self._idle.clear()
            self._wake.set()

    def _show(self, waiting: Waiting, seq: int | None) -> None:
        if waiting.number > self._published:
            self._published = waiting.number
            self._tell.publish(Outgoing(waiting.item, seq))

    # ---- the store's side

    async def _store_all(self) -> None:
        try:
            await self._insist(self._open)
            while True:
                try:
                    async with asyncio.timeout(self._patience.probe_seconds):
                        await self._wake.wait()
                except TimeoutError:
                    pass  # nothing to write: a look whether the store is there, and the session still ours
                self._wake.clear()
                await self._insist(self._write)
                while self._waits:
                    await self._insist(self._write)
                await self._all_stored()
        except SessionFenced:
            await self._leave_to_successor()
        except SessionErased:
            await self._forget_all()

    @property
    def _waits(self) -> bool:
        return not self._pending.empty or self._sums is not None or self._speakers is not None

    async def _insist(self, call: Callable[[], Awaitable[None]]) -> None:
        """One call of the store, until it is answered."""
        tries = 0
        while True:
            if self._since is None:
                self._since = _now()
            try:
                await call()
            except (SessionFenced, SessionErased):
                raise
            except StoreError as exc:
                self._missed(str(exc))
                pauses = self._patience.retry_seconds
                await asyncio.sleep(pauses[min(tries, len(pauses) - 1)])
                tries += 1
            else:
                # while the store was away only an empty backlog says that it is over
                self._since = self._since if self._away and self._waits else None
                return

    async def _open(self) -> None:
        head = self._head
        await self._pick_up()
        try:
            opened = await self._store.open_session(head.room, head.session, head.started_at)
        except StoreError:
            self._pick_ups = (
                PICK_UPS  # the store was away: that it took no spool in says nothing about the spool
            )
            raise
        begun = Begun(opened)
        if opened.last_seq:
            begun = Begun(
                opened,
                tuple(segment for _, segment in await self._store.segments(head.session)),
                tuple(window for _, window in await self._store.windows(head.session)),
                tuple(gap for _, gap in await self._store.gaps(head.session)),
                tuple(status for _, status in await self._store.statuses(head.session)),
            )
        self._last_seq = opened.last_seq
        self._pending.opened(opened.epoch, opened.last_seq)
        self._begun = begun
        self._opened.set()
        self._wake.set()

    async def _pick_up(self) -> None:
        """What an earlier writer on this host has left of the session comes first, as if it had stored it."""
        try:
            await self._picker.pick_up(self._store, self._session)
        except StoreError:
            self._pick_ups -= 1
            if self._pick_ups > 0:
                raise  # else the store may be there and only refuse this: the session must begin all the same
        except OSError as exc:  # the session begins without; the worker keeps trying
            log.error("spools cannot be listed", extra={"action": "spool_failed", "error": _words(exc)})

    async def _write(self) -> None:
        """One batch, the labels and the sums; when there is nothing, a look at the fence."""
        epoch = self._pending.epoch
        if self._speakers is not None:
            speakers = self._speakers
            await self._store.save_speakers(self._session, epoch, speakers)
            if self._speakers is speakers:
                self._speakers = None
        batch = await self._pending.batch()
        seqs = await self._write_items(batch)
        await self._take_in(seqs)
        for waiting, seq in zip(batch, seqs, strict=True):
            WAITING.dec(waiting.number - self._stored)
            self._stored = waiting.number
            self._pending.stored(waiting.number)
            self._show(waiting, seq)
        self._recover(self._pending.losses())
        if self._sums is not None:
            sums = self._sums
            await self._store.save_accounting(self._session, epoch, sums)
            if self._sums is sums:
                self._sums = None

    async def _write_items(self, batch: Sequence[Waiting]) -> list[int]:
        epoch = self._pending.epoch
        items = [self._pending.to_store(one) for one in batch]
        if not batch or batch[0].epoch:
            return await self._store.write(self._session, epoch, items)
        head = self._head
        origin = Origin(head.room, head.session, head.started_at, epoch, head.writer)
        imported = await self._store.import_items(origin, items)
        if imported.erased:
            raise SessionErased(f"session {head.session!r} was erased")
        if not imported.current:
            raise SessionFenced(f"session {head.session!r} is not held by epoch {epoch} any more")
        return [seq for seq in imported.seqs if seq is not None]

    async def _take_in(self, seqs: Sequence[int]) -> None:
        """Look at what somebody else has stored between our items."""
        if not seqs:
            return
        if seqs[0] > self._last_seq + 1:
            between = await self._store.items(self._session, self._last_seq, seqs[0] - self._last_seq - 1)
            if others := [stored.item for stored in between if stored.seq < seqs[0]]:
                self._tell.taken_in(others)
        self._last_seq = seqs[-1]

    async def _all_stored(self) -> None:
        if self._away:
            self._away = False
            log.info("store is back", extra={"action": "store_back"})
        await self._pending.clear()
        if self._told:
            self._told = False
            self._tell.publish(Outgoing(Status(State.LISTENING), None))
        if not self._waits:
            self._idle.set()

    async def _leave_to_successor(self) -> None:
        """What is not stored is left on disk: taken in from there, without what the successor has heard."""
        log.warning("another transcriber has taken over", extra={"action": "session_fenced"})
        self.fenced.set()
        if self._pending.empty:
            await self._pending.clear()
        else:
            await self._pending.spill()
        self._idle.set()

    async def _forget_all(self) -> None:
        """What was said is not to be kept: nothing of it, and nothing that would still come."""
        log.warning("the transcript was erased", extra={"action": "session_erased"})
        self.over_because = "the transcript was erased"
        detail = "the transcript of this session was erased; what is said from now on is not written down"
        self._pending.erase()  # first: from here on no path leads to the disk, whatever ends this task
        self._tell.publish(Outgoing(Status(State.STOPPED, Reason.ERASED, None, detail), None))
        self.fenced.set()
        await self._pending.clear()
        self._idle.set()

    # ---- while the store is away

    def _missed(self, error: str) -> None:
        if not self._away:
            self._away = True
            STORE_AWAY.inc()
            log.warning("store is away", extra={"action": "store_away", "error": error})

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            waited = 0.0 if self._since is None else _now() - self._since
            if waited >= self._patience.publish_after_seconds and not self._told:
                self._go_live("it has not answered yet")

    def _go_live(self, why: str) -> None:
        """Tell the room that the store is away, and show what waits."""
        self._missed(why)
        self._told = True
        detail = "the transcript is shown live and will be stored when the store is back"
        self._tell.publish(Outgoing(Status(State.DEGRADED, Reason.STORE_UNREACHABLE, None, detail), None))
        for waiting in self._pending.in_memory(after=self._published):
            self._show(waiting, None)

    async def _spill_while_away(self) -> None:
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            waited = 0.0 if self._since is None else _now() - self._since
            if waited < self._patience.spool_after_seconds:
                continue
            if not await self._pending.spill():
                await asyncio.sleep(self._patience.retry_seconds[-1])
            self._recover(self._pending.losses())

    def _recover(self, losses: Losses | None) -> None:
        """Say what had to be given up, now that there is room for it."""
        if losses is None:
            return
        log.error("items given up", extra={"action": "item_lost", "items": losses.count})
        for gap in losses.gaps:
            self.record(gap)
        self._tell.windows_lost(losses.windows)


def _words(error: OSError) -> str:
    return str(error) or type(error).__name__  # a timeout has no words


def _now() -> float:
    return asyncio.get_running_loop().time()
