"""The tracks of one session: a task for each, from the first frame to the last answer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Hashable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from random import Random
from typing import Protocol

from livekit import rtc

from agent.clock import RoomClock
from agent.core.absence import REASON_SECONDS, Absences
from agent.core.backoff import growing_pause
from agent.core.concealment import Concealment
from agent.core.consent import OptOuts
from agent.core.model import Gap, Reason, Segment, Speaker, State, Status
from agent.core.offers import LEAST_UNHEARD_SECONDS, Offers
from agent.core.outage import Outage
from agent.core.reception import Arrivals, Damage, Reception
from agent.core.statuses import Statuses
from agent.core.succession import Mark
from agent.core.track import TrackMachine
from agent.metrics import CONCEALED, DAMAGED, TRACKS
from agent.rtc.events import TrackStarted
from agent.rtc.silero import SileroModel
from agent.settings import Settings
from agent.stt.protocol import Recognizer
from agent.track_task import MEDIA_DELAY_SECONDS, TAIL_SECONDS, Frames, TrackTask, Unreceived, track_settings

log = logging.getLogger(__name__)

ANSWER_SECONDS = 10.0
"""At the end, so long for the last answers; then they are gaps."""
GIVE_UP_SECONDS = 5.0
RECEPTION_SECONDS = 0.5
"""How often it is looked whether a track's packets arrive."""
STALL_TOLD_SECONDS = 1.5
"""A stall that lasts so long is told while it lasts."""
ENDED_REMEMBERED = 100
"""Tracks of which it is known when they ended, for those that come back."""
_REFUSED = {
    Reason.OPTED_OUT: "this participant is not transcribed",
    Reason.ENCRYPTED: "this participant's audio is end-to-end encrypted with a key that is not known here",
}
"""What readers are told of a track that is refused."""
RESTART_SECONDS = 1.0
LONGEST_RESTART_SECONDS = 30.0
"""Pauses before a track whose task failed begins anew: the first, and the longest."""
STEADY_SECONDS = 10.0
"""A track that was heard this long has recovered: its next failure is a first one."""


class Audio(Frames, Protocol):
    """The audio of one track, and how it is received."""

    async def arrivals(self) -> Arrivals | None:
        """The receiver's counters; None when LiveKit does not report them."""
        ...


@dataclass(slots=True)
class _Track:
    task: TrackTask
    runner: asyncio.Task[None]
    audio: Audio
    event: TrackStarted
    speaker: Speaker
    is_muted: bool
    reception: Reception
    concealment: Concealment
    told_stalled: bool = False
    """Readers know that nothing is received."""
    told_damaged: bool = False
    """Readers know that its audio is damaged."""
    received_until: float = float("inf")
    """Room time up to which it was certainly received, once it is over: its last moment may be made up."""

    @property
    def track_sid(self) -> str:
        return self.event.track_sid

    @property
    def source(self) -> str:
        return self.event.source

    @property
    def heard_from(self) -> float:
        """Room time of its first sample."""
        return self.task.machine.timeline.room_time(0)

    @property
    def heard_until(self) -> float:
        """Room time of the end of its last sample so far that somebody sent."""
        timeline = self.task.machine.timeline
        return min(timeline.end_time(timeline.heard), self.received_until)

    def mark(self) -> Mark:
        """How far it has come; what is damaged and not settled yet lies behind the mark."""
        mark, since = self.task.mark(), self.concealment.since
        return mark if since is None else replace(mark, until=min(mark.until, since))

    def received_no_more(self, now: float) -> list[Damage]:
        """It is over at room time `now`. Returns the stall with which it ends, if it is one."""
        until = self.reception.received_until()
        stalls = self.reception.stop(now)
        self.received_until = max([until, *(stall.end for stall in stalls if stall.seconds)])
        return stalls


@dataclass(slots=True)
class _Restart:
    """A track whose task failed, until it begins anew."""

    event: TrackStarted
    speaker: Speaker
    since: float
    """Room time from which nobody hears it."""
    runner: asyncio.Task[None]


class Tracks:
    """Starts and ends the tasks of a session's tracks inside the session's TaskGroup."""

    def __init__(
        self,
        group: asyncio.TaskGroup,
        settings: Settings,
        *,
        model: SileroModel,
        recognizer: Recognizer,
        audio: Callable[[rtc.RemoteAudioTrack], Audio],
        clock: RoomClock,
        emit: Callable[[Segment | Gap | Status], None],
        finished: Callable[[TrackMachine, bool], None],
    ) -> None:
        """`emit` gets what a track says.

        `finished` gets a track's machine once nothing of it is awaited, and whether its task failed.
        """
        self._group = group
        self._settings = track_settings(settings)
        self._model = model
        self._recognizer = recognizer
        self._audio = audio
        self._clock = clock
        self._emit = emit
        self._finished = finished
        self._running: dict[str, _Track] = {}
        self._ending: list[_Track] = []
        self._restarting: dict[str, _Restart] = {}
        self._ended: dict[str, float] = {}
        """Sid -> room time up to which a track was heard that may come back."""
        self._closing = False
        self._statuses = Statuses()
        self._outage = Outage()
        self._absences = Absences()
        self._told_absent: dict[str, Speaker] = {}
        """Those of whom readers know that their connection was lost, by identity."""
        self._ended_stalled: dict[str, tuple[Speaker, float]] = {}
        """Sid -> speaker and end (room time) of a track that ended in a stall; why is known soon."""
        self._opted_out = OptOuts()
        self._offers = Offers()
        self._look_now = asyncio.Event()
        self._watching = group.create_task(self._watch(), name="reception")

    @property
    def busy(self) -> bool:
        """True while a track is received, something of one is awaited, or one may come back."""
        return bool(self._running or self._ending or self._restarting or self._outage.awaits_somebody)

    def know(self, statuses: Iterable[Status]) -> None:
        """What an earlier transcriber told of speakers, in order: a fault is taken back when one is heard."""
        self._statuses.know(statuses)

    def machines(self) -> list[TrackMachine]:
        """Of all tracks that are not over."""
        return [track.task.machine for track in (*self._running.values(), *self._ending)]

    def marks(self) -> tuple[Mark, ...]:
        """How far each track has come that is not over, or may come back after an outage."""
        missing = [Mark(hole.speaker, hole.track_sid, hole.since) for hole in self._outage.missing]
        missing += [Mark(one.speaker, sid, one.since) for sid, one in self._restarting.items()]
        missing += self._absent_marks()
        return (*missing, *(track.mark() for track in (*self._running.values(), *self._ending)))

    def _absent_marks(self) -> list[Mark]:
        return [Mark(one.speaker, one.track_sid, one.since, lost=True) for one in self._absences.all]

    def start(
        self, event: TrackStarted, speaker: Speaker, unheard_since: float | None = None, *, failures: int = 0
    ) -> None:
        """Transcribe a track; the same track again changes nothing, a new object of it begins anew.

        `unheard_since`: room time from which nobody has heard it; by default from its end here, if it ended.
        `failures`: how often in a row its task has failed before.
        """
        known = self._running.get(event.track_sid)
        if known is not None:
            if known.event.track is event.track:
                return
            self.end(event.track_sid)  # a full reconnect brings a new object
        self._end_restart(event.track_sid)
        machine = TrackMachine(
            speaker,
            event.track_sid,
            event.source,
            self._settings,
            Random(event.track_sid),
            told=self._statuses.told(speaker),
        )
        audio = self._audio(event.track)
        concealment = Concealment(machine.timeline)
        task = TrackTask(
            machine,
            audio=audio,
            detector=self._model.detector(),
            recognizer=self._recognizer,
            clock=self._clock,
            emit=partial(self._take, machine, concealment),
            judged=concealment.heard,
            unreceived=self._unreceived(event.track_sid, speaker, unheard_since),
        )
        if event.muted:
            task.muted(True)
        runner = self._group.create_task(self._run(task, event, failures), name=f"track {event.track_sid}")
        reception = Reception(self._clock.now(), MEDIA_DELAY_SECONDS)
        self._running[event.track_sid] = _Track(
            task, runner, audio, event, speaker, event.muted, reception, concealment
        )
        TRACKS.inc()
        log.info("track started", extra={"action": "track_started", "track_sid": event.track_sid})

    def _unreceived(self, track_sid: str, speaker: Speaker, since: float | None) -> Unreceived | None:
        """The time before the first frame of a track that begins; `since`: as given to `start`."""
        offered = self._offers.receive(track_sid)
        awaited = any(hole.track_sid == track_sid for hole in self._outage.missing)
        if since is None and not awaited:
            since = self._ended.pop(track_sid, None)
        if since is not None:
            return Unreceived(since)
        if offered is None or self._awaits(speaker):
            return None
        return Unreceived(offered, Reason.STALLED, LEAST_UNHEARD_SECONDS)

    def decline(self, track_sid: str, speaker: Speaker, reason: Reason = Reason.OPTED_OUT) -> None:
        """A track is refused (opted out, encrypted): no more of it is heard, and readers are told, once."""
        if self._opted_out.reason(track_sid) is reason:
            return
        self.end(track_sid, tail_seconds=0.0)
        self._ended.pop(track_sid, None)
        self._opted_out.begin(track_sid, speaker, self._clock.now(), reason)
        status = Status(State.STOPPED, reason, speaker, _REFUSED[reason])
        self._say(("consent", track_sid), status)

    def mute(self, track_sid: str, muted: bool) -> None:
        """A track was muted or unmuted."""
        self._emit_gap(self._offers.mute(track_sid, muted, self._clock.now()))
        if restart := self._restarting.get(track_sid):
            restart.event = replace(restart.event, muted=muted)
        if track := self._running.get(track_sid):
            track.is_muted = muted
            now = self._clock.now()
            self._not_received(track, track.reception.stop(now))
            track.reception = Reception(now, MEDIA_DELAY_SECONDS)  # a muted client may send nothing
            track.task.muted(muted)

    def end(self, track_sid: str, tail_seconds: float = TAIL_SECONDS) -> None:
        """No more is to be received of a track, but for its tail; harmless when it is not known."""
        self._consent(track_sid)
        self._emit_gap(self._offers.end(track_sid, self._clock.now()))
        track = self._running.pop(track_sid, None)
        if track is None:
            if self._end_restart(track_sid):
                self._ended[track_sid] = self._clock.now()
            return
        self._damaged(track, track.received_no_more(self._clock.now()))
        self._tell_damage(track, 0.0)
        if track.told_stalled:
            self._ended_stalled[track_sid] = track.speaker, self._clock.now()
        track.task.gone(tail_seconds)
        if track.task.machine.timeline.heard and not track.is_muted:
            self._ended[track_sid] = track.heard_until
        if len(self._ended) > ENDED_REMEMBERED:
            del self._ended[next(iter(self._ended))]
        TRACKS.dec()
        self._ending.append(track)
        self._outage.ended(track, self._clock.now())
        self._absences.ended(track, self._clock.now())
        log.info("track ended", extra={"action": "track_ended", "track_sid": track_sid})

    def end_of(self, identity: str, participant_sid: str | None = None) -> None:
        """Somebody has left: LiveKit does not always announce the end of such a one's tracks.

        With `participant_sid` those of one stay only: the same identity is here again already.
        """
        for track_sid, event in self._events():
            if event.identity == identity and participant_sid in (None, event.participant_sid):
                self.end(track_sid)
        if participant_sid is None:
            for track_sid in (*self._opted_out.of(identity), *self._offers.of(identity)):
                self.end(track_sid)

    def participant_left(self, identity: str, connection_lost: bool) -> None:
        """A participant is gone, after its tracks; `connection_lost`: nobody asked for that."""
        if connection_lost:
            self._absences.lost(identity, self._clock.now())
        else:
            self._absences.left(identity)
        self._tell_absences()

    def _tell_absences(self) -> None:
        """Report whose connection was lost, and who is heard again or is not awaited any more."""
        absent, told = self._absences.speakers, self._told_absent
        self._told_absent = absent
        for identity in absent.keys() - told.keys():
            detail = "this participant's connection was lost"
            status = Status(State.DEGRADED, Reason.CONNECTION_LOST, absent[identity], detail)
            self._say(("absence", identity), status)
            for track_sid in [sid for sid, one in self._ended_stalled.items() if one[0].identity == identity]:
                self._end_stall(track_sid)
        for identity in told.keys() - absent.keys():
            self._say(("absence", identity), Status(State.LISTENING, speaker=told[identity]))

    def _end_stall(self, track_sid: str) -> None:
        """The stall in which a track ended is over, or was a lost connection."""
        speaker, _ = self._ended_stalled.pop(track_sid)
        self._say(("reception", track_sid), Status(State.LISTENING, speaker=speaker))

    def _awaits(self, speaker: Speaker) -> bool:
        """True when a gap of this speaker goes on until the speaker is heard again."""
        return self._is_cut_off(speaker) or speaker.identity in self._absences.speakers

    def _is_cut_off(self, speaker: Speaker) -> bool:
        """True when our own lost connection has a gap of this speaker, which is not over."""
        return any(hole.speaker.identity == speaker.identity for hole in self._outage.missing)

    def _emit_gap(self, gap: Gap | None) -> None:
        """The gap of a track that was never received; an outage in which it lies has a gap of its own."""
        if gap is not None and not self._is_cut_off(gap.speaker):
            self._emit(self._explained(gap))

    def _emit_missed(self, gap: Gap) -> None:
        """The gap of a lost connection; damage that is found in its span is not another one."""
        for track in (*self._running.values(), *self._ending):
            if track.speaker.identity == gap.speaker.identity:
                track.concealment.written(gap)
        self._emit(gap)

    def _say(self, owner: Hashable, status: Status) -> None:
        """Report a status of a speaker unless readers know it or a worse one."""
        assert status.speaker is not None
        if said := self._statuses.feed(owner, status.speaker, status):
            self._emit(said)

    def _events(self) -> list[tuple[str, TrackStarted]]:
        """With what each track began that is received, or begins anew soon."""
        restarting = [(sid, restart.event) for sid, restart in self._restarting.items()]
        return [*((sid, track.event) for sid, track in self._running.items()), *restarting]

    def _consent(self, track_sid: str) -> None:
        """If the track's participant had opted out: say from when to when."""
        if gap := self._opted_out.end(track_sid, self._clock.now()):
            self._emit(gap)
            about, speaker = ("consent", track_sid), gap.speaker
            if gap.reason is Reason.OPTED_OUT:
                self._say(about, Status(State.LISTENING, speaker=speaker))
                return
            # that nothing was heard of this speaker stays true, until something is
            heard = any(track.speaker.identity == speaker.identity for track in self._running.values())
            if said := self._statuses.over(about, speaker, heard=heard):
                self._emit(said)

    # ---- the room's connection

    def published(self, track_sid: str, speaker: Speaker, muted: bool) -> None:
        """A track is offered; it is not heard yet. One whose participant had opted out may be heard again."""
        self._consent(track_sid)
        if track_sid not in self._running:
            self._offers.offer(track_sid, speaker, muted, self._clock.now())
        self._outage.published(track_sid, self._running.values())

    def connection_lost(self) -> float:
        """Nothing may be received from now (room time) on, or all goes on as before: the tracks will tell."""
        now = self._clock.now()
        self._outage.begin(now)
        self._look_now.set()  # what has come until now is known before LiveKit takes the tracks away
        return now

    def connection_restored(self, present: Collection[str]) -> None:
        """Tracks come back; those of everybody who is not `present` (identities) are over."""
        self._outage.restore(self._clock.now())
        for identity in {event.identity for _, event in self._events()} - set(present):
            self.end_of(identity)

    def tick(self) -> None:
        """Tell the gaps of those who are heard again, or will not be."""
        now = self._clock.now()
        running = list(self._running.values())
        for gap in (*self._outage.tick(now, running), *self._absences.tick(now, running)):
            self._emit_missed(gap)
        self._tell_absences()
        for track_sid, (_, ended_at) in list(self._ended_stalled.items()):
            if now - ended_at >= REASON_SECONDS:
                self._end_stall(track_sid)
        for track in (*self._running.values(), *self._ending):
            self._settle(track, track.task.machine.watermark(now))

    async def _watch(self) -> None:
        """Find out who is received and who is not, until the end."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(RECEPTION_SECONDS):
                    await self._look_now.wait()
            self._look_now.clear()
            await self._look_after_all()  # of its own: no name here keeps a track that is over

    async def _look_after_all(self) -> None:
        for track in list(self._running.values()):
            await self._look_after(track)

    async def _look_after(self, track: _Track) -> None:
        if track.is_muted or self._running.get(track.track_sid) is not track:
            return
        reception = track.reception
        arrivals = await track.audio.arrivals()
        if self._running.get(track.track_sid) is not track or track.reception is not reception:
            return  # it ended, or was muted or unmuted, meanwhile: these counters say nothing about now
        if arrivals is None or track.is_muted:
            return
        self._not_received(track, reception.feed(arrivals, self._clock.now()))
        CONCEALED.inc(reception.concealed)
        track.task.machine.timeline.lagging(track.reception.lag, RECEPTION_SECONDS)

    def _damaged(self, track: _Track, damages: Iterable[Damage]) -> None:
        for damage in damages:
            gap = Gap(track.speaker, track.track_sid, damage.start, damage.end, damage.reason)
            track.concealment.damaged(replace(damage, reason=self._explained(gap).reason))

    def _not_received(self, track: _Track, damages: Iterable[Damage]) -> None:
        self._damaged(track, damages)
        stalled = track.reception.stalled_for(self._clock.now()) >= STALL_TOLD_SECONDS
        if stalled != track.told_stalled:
            track.told_stalled = stalled
            detail = "nothing is received from this participant"
            self._tell_fault(track, "reception", stalled, Reason.STALLED, detail)
        self._tell_damage(track, track.reception.damaged_share())

    def _tell_damage(self, track: _Track, share: float) -> None:
        """Report lasting damage once, and its end; `share` of the audio is concealed."""
        damaged = share > 0
        if damaged != track.told_damaged:
            track.told_damaged = damaged
            DAMAGED.inc(1 if damaged else -1)
            detail = f"audio damaged: {share:.0%} of it did not arrive and is concealed"
            self._tell_fault(track, "damage", damaged, Reason.AUDIO_DAMAGED, detail)

    def _tell_fault(self, track: _Track, kind: str, begins: bool, reason: Reason, detail: str) -> None:
        """Report that a fault of the reception begins or is over."""
        status = Status(State.LISTENING, speaker=track.speaker)
        if begins:
            status = Status(State.DEGRADED, reason, track.speaker, detail)
        self._say((kind, track.track_sid), status)

    def _settle(self, track: _Track, until: float) -> None:
        """Write the gaps of damage before `until` (room time), where all words are known."""
        for start, end, reason in track.concealment.settle(until, self._clock.now()):
            self._emit(Gap(track.speaker, track.track_sid, start, end, reason))

    def _explained(self, gap: Gap) -> Gap:
        return replace(gap, reason=Reason.CONNECTION_LOST) if self._outage.explains(gap) else gap

    # ---- the end

    async def finish(
        self, tail_seconds: float = TAIL_SECONDS, answer_seconds: float = ANSWER_SECONDS
    ) -> tuple[Mark, ...]:
        """End all tracks and wait for the last answers; what is not answered in time becomes a gap.

        Returns the marks of the tracks that were still there: a successor goes on with them.
        """
        self._closing = True
        self._watching.cancel()
        now = self._clock.now()
        missing = (
            *(Mark(hole.speaker, hole.track_sid, now) for hole in self._outage.missing),
            *self._absent_marks(),
        )
        for gap in self._outage.end(now):
            self._emit_missed(gap)
        for track_sid in self._opted_out.all:
            self._consent(track_sid)
        for track_sid in self._offers.all:
            self._emit_gap(self._offers.end(track_sid, now))
        for track_sid, restart in list(self._restarting.items()):
            restart.runner.cancel()
            self._end_restart(track_sid)
            missing = (*missing, Mark(restart.speaker, track_sid, now))
        there = [track.task for track in self._running.values()]
        for track_sid in list(self._running):
            self.end(track_sid, tail_seconds)
        for track_sid in list(self._ended_stalled):
            self._end_stall(track_sid)
        runners = [track.runner for track in self._ending]
        if not runners:
            return missing
        _, late = await asyncio.wait(runners, timeout=answer_seconds)
        for track in [one for one in self._ending if one.runner in late]:
            track.task.give_up(Reason.ENDED)
        if late:
            await asyncio.wait(late, timeout=GIVE_UP_SECONDS)
        return (*missing, *(replace(task.mark(), ended=None) for task in there))

    async def _run(self, task: TrackTask, event: TrackStarted, failures: int) -> None:
        """The track boundary: a fault in one track must not silence the others, nor itself for long."""
        machine = task.machine
        began = self._clock.now()
        try:
            await task.run()
        except Exception:
            log.exception("track failed", extra={"action": "track_failed", "track_sid": event.track_sid})
            self._missing(machine.speaker, event.track_sid, task.written_until)
            self._finished(machine, True)
            if self._forget(task) and not self._closing:
                steady = self._clock.now() - began >= STEADY_SECONDS
                await self._restart(event, machine.speaker, 1 if steady else failures + 1)
            return
        self._forget(task)
        self._finished(machine, False)

    async def _restart(self, event: TrackStarted, speaker: Speaker, failures: int) -> None:
        """Begin a failed track anew after a while, if it is still to be heard then."""
        runner = asyncio.current_task()
        assert runner is not None
        restart = self._restarting[event.track_sid] = _Restart(event, speaker, self._clock.now(), runner)
        await asyncio.sleep(growing_pause(failures, RESTART_SECONDS, LONGEST_RESTART_SECONDS))
        if self._restarting.get(event.track_sid) is restart:  # not ended, declined or replaced meanwhile
            self.start(restart.event, speaker, failures=failures)

    def _end_restart(self, track_sid: str) -> bool:
        """The track begins anew, or is not to be heard any more; False when it was not waiting for that."""
        restart = self._restarting.pop(track_sid, None)
        if restart is not None:
            self._missing(restart.speaker, track_sid, restart.since)
        return restart is not None

    def _missing(self, speaker: Speaker, track_sid: str, since: float) -> None:
        """Nobody has heard a track since its task failed."""
        if (now := self._clock.now()) > since:
            gap = Gap(speaker, track_sid, since, now, Reason.INTERNAL_ERROR)
            for track in (*self._running.values(), *self._ending):
                if track.track_sid == track_sid:
                    track.concealment.written(gap)
            self._emit(gap)

    def _take(self, machine: TrackMachine, concealment: Concealment, item: Segment | Gap | Status) -> None:
        """What a track says; how it is becomes how its speaker is."""
        if isinstance(item, Gap) and item.reason is Reason.STALLED:
            reason = self._explained(item).reason
            concealment.damaged(Damage(item.start, item.end, item.end - item.start, reason))
            return
        said: Segment | Gap | Status | None = item
        if isinstance(item, Status):
            about = _words_of(machine) if item.reason is Reason.NO_WORDS else machine
            said = self._statuses.feed(about, machine.speaker, item)
        if said is None:
            return
        if not isinstance(said, Status):
            concealment.written(said)
        self._emit(said)

    def _forget(self, task: TrackTask) -> bool:
        """Take a task that is over out of the lists; True when its track was still being received."""
        present = any(one.task is task for one in self._running.values())
        for track in [one for one in (*self._running.values(), *self._ending) if one.task is task]:
            self._tell_damage(track, 0.0)
            self._settle(track, float("inf"))  # no word will be added
        if present:
            TRACKS.dec()
        self._running = {sid: one for sid, one in self._running.items() if one.task is not task}
        self._ending = [one for one in self._ending if one.task is not task]
        machine = task.machine
        heard = any(one.speaker.identity == machine.speaker.identity for one in self._running.values())
        self._statuses.over(_words_of(machine), machine.speaker, heard=False)
        if said := self._statuses.over(machine, machine.speaker, heard=heard):
            self._emit(said)
        return present


def _words_of(machine: TrackMachine) -> tuple[str, TrackMachine]:
    """Whether there are words in a track's answers, which is told apart from whether there are answers."""
    return "words", machine
