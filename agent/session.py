"""The conductor: one life of a room from the transcriber's joining to its leaving.

One TaskGroup owns everything: a consumer of room events, a task for each track, the recorder, an outbox for
each sink, and a slow clock that moves windows, sums and the end. Track tasks hand in items by a plain call;
from here they go to the store and then to the sinks.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

from livekit import rtc

from agent.clock import RoomClock, timestamp
from agent.core.model import Accounting, Gap, Item, Reason, Segment, Speaker, State, Status, Window
from agent.core.speakers import Speakers
from agent.core.succession import Marks, Unheard, stored_spans
from agent.core.totals import Totals
from agent.core.track import TrackMachine
from agent.core.transcript import Transcript
from agent.core.windows import Grid
from agent.errors import RoomEventsLost
from agent.metrics import count
from agent.presence import Presence, present_tracks, take_place
from agent.recorder import Begun, Listeners, Recorder
from agent.rtc import events as happened
from agent.rtc.audio import TrackAudio
from agent.rtc.room import RoomEvents
from agent.rtc.silero import SileroModel
from agent.settings import Settings
from agent.sinks.outbox import Outbox
from agent.sinks.protocol import Outgoing, Sink
from agent.store.pickup import picker_for
from agent.store.protocol import Store
from agent.store.spool import spool_for
from agent.stt.protocol import Recognizer
from agent.track_task import TAIL_SECONDS
from agent.tracks import Audio, Tracks

log = logging.getLogger(__name__)

TICK_SECONDS = 0.1
SUMS_SECONDS = 5.0
ALONE_SECONDS = 2.0
"""After the last speaker has left, so long for a page reload before the end is said."""
MEETING_OVER = frozenset({"room_deleted", "room_closed"})
"""Reasons of a disconnect after which the room's life is over; after others it may go on without us."""
STOP_TAIL_SECONDS = 0.3
"""When we leave and the others stay: what was said before may still be on its way for so long."""
RETURN_SECONDS = 5.0
"""After a change of transcribers, so long for everybody's tracks to be received again."""
DEAF_SECONDS = 10.0
"""A connection that is lost for longer is likely to be lost for us alone."""
OPEN_SECONDS = 2.0
"""The beginning waits so long for the store: a successor wants to know the labels. Then it goes on."""
FLUSH_SECONDS = 5.0
"""At the end, so long for the store and for each sink."""


class Session:
    """Transcribes one connected room until it closes or `stop` is called."""

    def __init__(
        self,
        room: rtc.Room,
        events: RoomEvents,
        settings: Settings,
        *,
        model: SileroModel,
        recognizer: Recognizer,
        store: Store,
        clock: RoomClock,
        audio: Callable[[rtc.RemoteAudioTrack], Audio] = TrackAudio,
    ) -> None:
        """`events` must have been made before the room was connected."""
        self._room = room
        self._events = events
        self._settings = settings
        self._model = model
        self._recognizer = recognizer
        self._store = store
        self._clock = clock
        self._audio = audio
        self._publishers: set[str] = set()  # who has had a track, be it an earlier transcriber's
        self._transcript = Transcript()
        self._totals = Totals(
            Grid(settings.window_seconds, settings.window_overlap_seconds),
            allowed_lateness_seconds=settings.allowed_lateness,
        )
        self._books = self._totals.books
        self._buffer = self._totals.windows
        self._speakers = Speakers()
        self._lost_at: float | None = None
        self._stopping = asyncio.Event()
        self.stop_reason = ""
        """Why the session ends; empty until it is asked to."""
        self._hands_over = False
        self._stop_tail_seconds = STOP_TAIL_SECONDS
        self._closed = False
        self._superseded = False
        self._events_lost = False
        self._said_end = False
        self._meeting_over = False

    def stop(self, reason: str, *, hand_over: bool = False) -> None:
        """Leave the room after the last words; `run` returns when that is done. Safe to call twice.

        `hand_over`: have a successor called first, and stay until it is here if a worker can send one.
        """
        if not self._stopping.is_set():  # else somebody has asked already, and the first call decides
            self._hands_over = hand_over
        # a room that closes has its job stopped, too: the first cause is the one to report
        self.stop_reason = self.stop_reason or self._events.closed_because or reason
        self._stopping.set()

    async def run(self, sinks: Sequence[Sink], sid: str) -> None:
        """Transcribe the room whose sid is `sid` until its end, whether the store is there or not.

        Raises:
            RoomEventsLost: more happened in the room than could be handled; the session was ended in order.
        """
        if not await take_place(self._room, self._store, sid, self._wanted):
            log.info("the room has its transcriber", extra={"action": "room_taken"})
            return
        self._started_at = timestamp(self._clock.created_at)
        self._outboxes = [Outbox(sink, self._is_closed) for sink in sinks]
        self._recorder = Recorder(
            self._store,
            spool_for(self._settings, self._room.name, sid, self._started_at),
            picker_for(self._settings),
            Listeners(self._publish, self._take_in, self._buffer.repeat),
        )
        self._presence = Presence(
            self._store,
            sid,
            self._settings.agent_name,
            room=self._room,
            recorder=self._recorder,
            marks=self._marks,
            hears=self._hears,
        )
        await self._transcribe()
        log.info("session over", extra={"action": "session_over", "reason": self.stop_reason})
        if self._events_lost:
            raise RoomEventsLost(f"room {self._room.name!r} had more events than could be handled")

    async def _transcribe(self) -> None:
        """From the first track to the last word; everything that runs belongs to one group."""
        async with asyncio.TaskGroup() as group:
            services = [
                group.create_task(self._recorder.run(), name="recorder"),
                *(group.create_task(outbox.run(), name="outbox") for outbox in self._outboxes),
            ]
            begun = await self._recorder.begun(OPEN_SECONDS)
            self._present = present_tracks(self._room, self._clock)
            self._unheard = Unheard(None, {}, {}, self._clock.now())
            self._tracks = Tracks(
                group,
                self._settings,
                model=self._model,
                recognizer=self._recognizer,
                audio=self._audio,
                clock=self._clock,
                emit=self._take,
                finished=self._track_finished,
            )
            if begun is not None:
                self._go_on_from(begun)
            services.append(group.create_task(self._be_present(late=begun is None), name="heartbeat"))
            consumer = group.create_task(self._consume(), name="room events")
            ticker = group.create_task(self._keep_time(), name="session clock")
            epoch = begun.opened.epoch if begun else 0
            log.info("session started", extra={"action": "session_started", "epoch": epoch})
            self._recorder.record(Status(State.LISTENING))
            if self._wanted():
                self._events.subscribe()
            await self._stopping.wait()
            await self._presence.leave()
            if self._hands_over and self._speaker_present() and not self._over():
                await self._presence.hand_over(self._over, self._pause)
            self._events.close()
            consumer.cancel()
            while not self._events.queue.empty():  # such as an opt-out, or the room's end
                self._handle(self._events.queue.get_nowait())
            await self._finish()
            for task in (ticker, *services):
                task.cancel()

    # ---- the room's side

    async def _consume(self) -> None:
        """Handle the room's events one by one, so that a join and a leave cannot race."""
        while True:
            self._handle(await self._events.queue.get())

    def _handle(self, event: happened.RoomEvent) -> None:
        match event:
            case happened.TrackPublished(identity, track_sid):
                self._somebody_publishes(identity)
                self._tracks.published(track_sid, self._speaker_of(event), event.muted)
            case happened.TrackStarted():
                self._start_track(event)
            case happened.TrackDeclined(track_sid, _, identity):
                self._somebody_publishes(identity)
                self._tracks.decline(track_sid, self._speaker_of(event), event.reason)
            case happened.TrackEnded(track_sid):
                self._tracks.end(track_sid)
                self._unheard.gone(track_sid)
            case happened.TrackMuted(track_sid, muted):
                self._tracks.mute(track_sid, muted)
            case happened.ParticipantChanged(identity) if self._speakers.knows(identity):
                self._speaker_of(event)
            case happened.ParticipantLeft(identity, participant_sid, connection_lost):
                here_again = identity in self._room.remote_participants
                self._tracks.end_of(identity, participant_sid if here_again else None)
                self._tracks.participant_left(identity, connection_lost)
            case happened.ConnectionLost():
                self._lost_at = self._tracks.connection_lost()
                self._record_of_the_room(Status(State.DEGRADED, Reason.CONNECTION_LOST))
            case happened.ConnectionRestored():
                self._lost_at = None
                self._record_of_the_room(Status(State.LISTENING))
                self._tracks.connection_restored(self._room.remote_participants)
            case _:
                self._leave_after(event)

    def _somebody_publishes(self, identity: str) -> None:
        """A participant has a track, heard or refused: after the end, the session runs again."""
        self._publishers.add(identity)
        if self._said_end:
            self._said_end = False
            self._record(Status(State.LISTENING))

    def _leave_after(self, event: happened.RoomEvent) -> None:
        """What ends the session here."""
        match event:
            case happened.Superseded():
                self._superseded = True
                self._stop_tail_seconds = 0.0  # from now on the other one hears
                self.stop("another transcriber has the room since the server was restarted")
            case happened.EventsLost():
                self._events_lost = True
                self._stop_tail_seconds = 0.0  # somebody may have opted out
                self.stop("events of the room were lost")
            case happened.RoomClosed(reason):
                self._closed = True
                self._meeting_over = reason in MEETING_OVER
                self.stop(reason)

    def _speaker_of(
        self,
        event: happened.TrackPublished
        | happened.TrackStarted
        | happened.TrackDeclined
        | happened.ParticipantChanged,
    ) -> Speaker:
        speaker = self._speakers.speaker(event.identity, event.name, event.role)
        self._recorder.save_speakers(self._speakers.all)
        return speaker

    def _start_track(self, event: happened.TrackStarted) -> None:
        speaker = self._speaker_of(event)
        missed = self._unheard.begin(event.track_sid, event.identity, event.muted)
        since, until = missed or (None, None)
        if since is not None and until is not None:
            self._take(Gap(speaker, event.track_sid, since, until, Reason.TRANSCRIBER_LOST))
            since = None
        self._tracks.start(event, speaker, since)

    def _track_finished(self, machine: TrackMachine, failed: bool) -> None:
        if failed:
            self._books.take_over([machine.accounting()])
            return
        self._books.close(machine.accounting())
        if unaccounted := machine.unaccounted_samples():
            log.error(
                "the books of a track do not balance",
                extra={"action": "books_unbalanced", "track_sid": machine.track_sid, "samples": unaccounted},
            )

    # ---- items, and time

    def _take(self, item: Segment | Gap | Status) -> None:
        """An item from a track. Its speaker may have another role by now than when the track began."""
        if item.speaker is not None:
            item = replace(item, speaker=self._speakers.present(item.speaker))
        if isinstance(item, Segment) and item.text:
            self._speakers.shown(item.speaker.identity)
        if not isinstance(item, Segment):
            self._record(item)
        elif self._transcript.apply(item):
            if item.final and item.text:
                self._buffer.add(item)
                self._record(item)
            else:
                self._publish(Outgoing(item, None))

    def _record(self, item: Item) -> None:
        self._totals.note(item)
        count(item)
        self._recorder.record(item)

    def _record_of_the_room(self, status: Status) -> None:
        """A state of the whole room; after the end only a publication says that the session runs again."""
        if not self._said_end:
            self._record(status)

    def _publish(self, outgoing: Outgoing) -> None:
        if self._recorder.fenced.is_set():
            return  # another transcriber speaks now, or nobody is to
        for outbox in self._outboxes:
            outbox.put(outgoing)

    async def _keep_time(self) -> None:
        """Move windows, sums and the end of the meeting."""
        sums_at = alone_since = self._clock.now()
        while True:
            await asyncio.sleep(TICK_SECONDS)
            now = self._clock.now()
            self._tracks.tick()
            self._close_windows(now)
            if now - sums_at >= SUMS_SECONDS:
                sums_at = now
                self._recorder.save_accounting(self._accounting())
                self._events.look_again()
            if now - self._unheard.began >= RETURN_SECONDS:
                self._tell_unheard()
            if self._recorder.fenced.is_set():
                self.stop(self._recorder.over_because)
            if self._tracks.busy or self._speaker_present():
                alone_since = now
            elif self._publishers and now - alone_since >= ALONE_SECONDS:
                self._say_end()

    def _speaker_present(self) -> bool:
        """True while a participant who has had a track, even a refused one, is in the room."""
        return any(identity in self._room.remote_participants for identity in self._publishers)

    def _close_windows(self, now: float) -> None:
        end = self._buffer.next_end()
        if end is None or now < end:
            return
        machines = self._tracks.machines()
        watermark = min((machine.watermark(now) for machine in machines), default=now)
        pending = [
            (self._speakers.present(machine.speaker).label, machine.watermark(now))
            for machine in machines
            if machine.pending
        ]
        self._record_windows(self._buffer.advance(now, watermark, pending))

    def _record_windows(self, windows: Sequence[Window]) -> None:
        for window in windows:
            self._record(window)

    # ---- the end

    async def _finish(self) -> None:
        """Hear the tails, await the last answers, store and send what is left."""
        if self._recorder.fenced.is_set():
            await self._tracks.finish(0.0, answer_seconds=0.0)
            await self._flush_sinks()
            return
        marks = await self._tracks.finish(TAIL_SECONDS if self._closed else self._stop_tail_seconds)
        unknown = self._closed or self._lost_at is not None  # cut off: the meeting may go on without us
        if self._meeting_over or self._said_end or not (unknown or self._speaker_present()):
            self._say_end()
        else:
            self._record_windows(self._buffer.close())
            self._record(Status(State.STOPPED, Reason.TRANSCRIBER_LOST, None, self.stop_reason))
        self._recorder.save_accounting(self._accounting())
        if not await self._recorder.drain(FLUSH_SECONDS):
            log.error("the end of the session was not stored", extra={"action": "end_not_stored"})
        await self._presence.release(Marks(self._clock.now(), (*marks, *self._unheard.marks)))
        await self._flush_sinks()

    async def _flush_sinks(self) -> None:
        for outbox in () if self._closed else self._outboxes:
            await outbox.drain(FLUSH_SECONDS)

    def _say_end(self) -> None:
        """Everything said so far is final, or a gap: close the windows and say the end, once."""
        if self._said_end:
            return
        self._said_end = True
        self._tell_unheard(everybody=True)
        sums = self._accounting()
        for one in sums:
            if not one.balanced:
                log.error("the books of a speaker do not balance", extra={"action": "books_unbalanced"})
        for item in self._totals.end(self._started_at, timestamp(self._clock.date()), sums):
            self._record(item)

    # ---- those before and after us

    def _wanted(self) -> bool:
        return self._room.isconnected() and not self._stopping.is_set()

    def _is_closed(self) -> bool:
        return self._closed or not self._room.isconnected()

    def _over(self) -> bool:
        """True when no successor needs to be awaited, or none can be."""
        return self._closed or self._superseded or self._events_lost or self._recorder.fenced.is_set()

    def _pause(self) -> bool:
        """True when nobody speaks: all that was said is answered."""
        return not any(machine.pending for machine in self._tracks.machines())

    def _hears(self) -> bool:
        """False when we are out of the room, or cut off for so long that somebody else should try."""
        return not self._closed and (
            self._lost_at is None or self._clock.now() - self._lost_at < DEAF_SECONDS
        )

    def _marks(self) -> Marks:
        return Marks(self._clock.now(), (*self._tracks.marks(), *self._unheard.marks))

    def _tell_unheard(self, *, everybody: bool = False) -> None:
        """Write the gaps of those who spoke to an earlier transcriber and have not come back."""
        for gap in self._unheard.rest(everybody=everybody):
            self._take(gap)

    async def _be_present(self, *, late: bool) -> None:
        """Show that this transcriber lives, as soon as the session is open."""
        begun = await self._recorder.begun()
        assert begun is not None
        if late:
            log.info("session opened", extra={"action": "session_opened", "epoch": begun.opened.epoch})
            said_end = self._said_end
            self._go_on_from(begun)
            self._recorder.save_speakers(self._speakers.all)
            if said_end:
                self._say_end()  # once more, if an earlier transcriber has written something
        await self._presence.run()

    def _go_on_from(self, begun: Begun) -> None:
        """Take over from an earlier transcriber of this session; usually there was none."""
        opened = begun.opened
        self._presence.opened(opened.epoch)
        if opened.last_seq:
            self._said_end = False  # one that was said before the store was there lacks what it had
        self._totals.restore(begun.segments, begun.windows, begun.gaps, opened.accounting)
        self._speakers.know(opened.speakers)
        self._publishers.update(one.identity for one in opened.speakers)
        self._unheard = Unheard(opened.marks, stored_spans(begun.settled), self._present, self._unheard.began)
        self._tracks.know(begun.statuses)
        running = ((machine.track_sid, machine.speaker) for machine in self._tracks.machines())
        for gap in (*self._unheard.holes, *self._unheard.begun(running)):
            self._take(gap)

    def _take_in(self, items: Sequence[Item]) -> None:
        """An earlier transcriber's words have been stored meanwhile: windows and end are to have them."""
        for item in items:
            self._totals.note(item)
            if isinstance(item, Segment):
                self._buffer.add(item)
            elif isinstance(item, Window):
                self._buffer.restore((), [item])

    def _accounting(self) -> list[Accounting]:
        running = [machine.accounting() for machine in self._tracks.machines()]
        sums = self._totals.account(self._books.sums(running))
        return [replace(one, speaker=self._speakers.present(one.speaker)) for one in sums]
