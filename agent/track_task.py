"""One track at the edge: its frames, its recognizer session, its deadlines, around one `TrackMachine`.

All of a frame's steps happen in one task without a hop; only items leave it, by `emit`.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from agent.clock import RoomClock
from agent.core.commands import CloseSession, Command, Commit, Emit, OpenSession, SendAudio
from agent.core.gate import GateSettings
from agent.core.model import SAMPLE_RATE, Gap, Reason, Segment, Status
from agent.core.succession import LEAST_GAP_SECONDS, Mark
from agent.core.track import TrackMachine, TrackSettings
from agent.errors import RecognizerError
from agent.metrics import ANSWER, HEARD, HELD_UP, LOST_SESSIONS, SENT, SESSIONS
from agent.rtc.silero import Detector
from agent.settings import Settings
from agent.stt.protocol import Final, Interim, Left, Plain, Recognizer, RecognizerSession, SessionReady

log = logging.getLogger(__name__)

READY_SECONDS = 10.0
"""How long a new session may take to say that it is ready."""
CLOSE_SECONDS = 2.0
TAIL_SECONDS = 1.0
"""How long frames may still arrive after the track was said to be gone."""
FRAMES_STOPPED_SECONDS = 0.15
"""Without a frame for so long a track was over by itself."""
MEDIA_DELAY_SECONDS = 0.05
"""From a speaker to our frame on one machine (tests/integration/test_speakers.py measures it)."""
ON_ITS_WAY_SECONDS = 0.3
"""By so much more than known, what was heard last may be old: a buffer that has grown is told of later."""


def track_settings(settings: Settings) -> TrackSettings:
    """What the settings say about each track."""
    return TrackSettings(
        gate=GateSettings(
            activation=settings.vad_activation,
            min_silence=settings.vad_min_silence,
            preroll=settings.vad_preroll,
            max_utterance=settings.max_utterance_seconds,
        ),
        ledger_seconds=settings.ledger_seconds,
        idle_seconds=settings.recognizer_idle_seconds,
        answer_timeout=settings.answer_timeout,
        session_seconds=settings.recognizer_session_seconds,
        media_delay=MEDIA_DELAY_SECONDS,
        language=settings.stt_language,
    )


class Frames(Protocol):
    """The audio of one track."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Frames (PCM16 mono 16 kHz, about 50 ms) in order, until the track ends."""
        ...

    async def is_over(self) -> bool:
        """True when what comes from now on is another track's."""
        ...

    async def aclose(self) -> None:
        """Receive no more; safe to call twice."""
        ...


@dataclass(frozen=True, slots=True)
class Unreceived:
    """The time before a track's first frame, in which nobody has heard it."""

    since: float
    """Room time."""
    reason: Reason = Reason.TRANSCRIBER_LOST
    least_seconds: float = LEAST_GAP_SECONDS
    """A shorter time is not a gap."""


class TrackTask:
    """Runs one track until each second of its speech is answered or a gap."""

    def __init__(
        self,
        machine: TrackMachine,
        *,
        audio: Frames,
        detector: Detector,
        recognizer: Recognizer,
        clock: RoomClock,
        emit: Callable[[Segment | Gap | Status], None],
        judged: Callable[[int, int, float], None] = lambda _first, _last, _probability: None,
        unreceived: Unreceived | None = None,
    ) -> None:
        """
        `judged` gets each frame (its first sample, the first after it) and the probability that it is speech.
        `unreceived`: the time for which nobody has heard the track, up to its first frame here.
        """
        self.machine = machine
        self._unreceived = unreceived
        self._muted = False
        self._ended_at: float | None = None
        self._heard_at = float("-inf")
        self._cut_at: float | None = None
        """Up to when the track was heard, if its audio still came when it ended for us."""
        self._tail_seconds = TAIL_SECONDS
        self._held_up: tuple[Reason, float] | None = None
        self._audio = audio
        self._detector = detector
        self._recognizer = recognizer
        self._clock = clock
        self._emit = emit
        self._judged = judged
        self._group = asyncio.TaskGroup()
        self._session: RecognizerSession | None = None
        self._reader: asyncio.Task[None] | None = None
        self.written_until = clock.now()
        """Room time up to which finals (or gaps) of this track were given out."""
        self._committed: deque[float] = deque()
        """When (room time) what is unanswered in this session was committed."""
        self._changed = asyncio.Event()
        self._gone = asyncio.Event()

    async def run(self) -> None:
        """Transcribe until the track has ended and nothing of it is awaited."""
        async with self._group:
            listener = self._group.create_task(self._listen(), name=f"listen {self.machine.track_sid}")
            self._group.create_task(self._end_when_gone(listener), name=f"end {self.machine.track_sid}")
            await self._keep_time()
            listener.cancel()
            self._gone.set()
            self._close()

    def gone(self, tail_seconds: float = TAIL_SECONDS) -> None:
        """The track was unpublished, its participant left, or we leave: hear the tail, then end."""
        self._tail_seconds = tail_seconds
        self._gone.set()

    def mark(self) -> Mark:
        """How far this track has come, for a successor."""
        unheard_since = None if self._unreceived is None else self._unreceived.since
        limits = [unheard_since, self._cut_at, self._ended_at]
        watermark = self.machine.watermark(self._clock.now())
        until = min([watermark, *(limit for limit in limits if limit is not None)])
        return Mark(self.machine.speaker, self.machine.track_sid, until, self._muted, self._ended_at)

    def muted(self, muted: bool) -> None:
        """The track was muted or unmuted."""
        self._muted = muted
        now = self._clock.now()
        self._carry_out(self.machine.muted(now) if muted else self.machine.unmuted(now))

    def give_up(self, reason: Reason) -> None:
        """No time is left: what is unanswered becomes a gap and the task ends."""
        self._carry_out(self.machine.give_up(reason, self._clock.now()))
        self._changed.set()

    async def _listen(self) -> None:
        try:
            async for pcm in self._audio:
                if self._gone.is_set() and await self._audio.is_over():
                    break
                if self._unreceived is not None:
                    self._heard_again(len(pcm) / 2 / SAMPLE_RATE)
                HEARD.inc(len(pcm) / 2 / SAMPLE_RATE)
                probabilities, level = self._detector.feed(pcm)
                self._heard_at = self._clock.now()
                first = self.machine.timeline.heard
                self._carry_out(self.machine.heard(pcm, level, probabilities, self._heard_at))
                self._judged(first, self.machine.timeline.heard, max(probabilities, default=0.0))
        finally:
            await self._audio.aclose()
        self._gone.set()

    def _heard_again(self, frame_seconds: float = 0.0) -> None:
        """The time that nobody has heard is over with this frame, or with the track's end."""
        missed, self._unreceived = self._unreceived, None
        end = self._clock.now() - frame_seconds - MEDIA_DELAY_SECONDS
        if missed is not None and end - missed.since >= missed.least_seconds:
            machine = self.machine
            self._give_out(Gap(machine.speaker, machine.track_sid, missed.since, end, missed.reason))

    async def _end_when_gone(self, listener: asyncio.Task[None]) -> None:
        await self._gone.wait()
        await asyncio.wait([listener], timeout=self._tail_seconds)
        if not listener.done():
            listener.cancel()
            await asyncio.wait([listener], timeout=CLOSE_SECONDS)
        self._ended_at = self._clock.now()
        if self._ended_at - self._heard_at < FRAMES_STOPPED_SECONDS:
            timeline = self.machine.timeline
            # what was on its way then, nobody has heard
            self._cut_at = timeline.end_time(timeline.heard) - ON_ITS_WAY_SECONDS
        self._heard_again()
        if not self.machine.finished:
            self._carry_out(self.machine.ended(self._ended_at))

    async def _keep_time(self) -> None:
        """Tick the machine at its deadlines until it has finished.

        Frames tick it too and do not wake this task, so it looks again after a second at the latest.
        """
        try:
            while not self.machine.finished:
                self._show_held_up(self.machine.held_up)
                latest = self._clock.now() + 1.0
                deadline = min(self.machine.next_deadline() or latest, latest)
                self._changed.clear()
                try:
                    async with asyncio.timeout_at(self._clock.monotonic(deadline)):
                        await self._changed.wait()
                except TimeoutError:
                    self._carry_out(self.machine.tick(self._clock.now()))
        finally:
            self._show_held_up(None)

    def _carry_out(self, commands: Sequence[Command]) -> None:
        for command in commands:
            match command:
                case SendAudio(pcm):
                    if self._session is not None:
                        self._session.send(pcm)
                        SENT.inc(len(pcm) / 2 / SAMPLE_RATE)
                case Commit():
                    if self._session is not None:
                        self._session.commit()
                        self._committed.append(self._clock.now())
                case Emit(item):
                    self._give_out(item)
                case OpenSession(number):
                    self._open(number)
                case CloseSession(_, lost, detail):
                    if lost is not None:
                        self._note_lost(lost, detail)
                    self._close()
        if commands:
            self._changed.set()

    def _give_out(self, item: Segment | Gap | Status) -> None:
        if isinstance(item, Gap) or (isinstance(item, Segment) and item.final):
            self.written_until = max(self.written_until, item.end)
        if isinstance(item, Status) and item.reason is Reason.RECOGNIZER_SLOW:
            log.warning(
                "recognizer link is slow",
                extra={"action": "recognizer_slow", "track_sid": self.machine.track_sid},
            )
        self._emit(item)

    def _open(self, number: int) -> None:
        self._close()
        self._session = session = self._recognizer.open()
        self._committed.clear()
        self._reader = self._group.create_task(
            self._read(session, number), name=f"recognizer {self.machine.track_sid} {number}"
        )
        SESSIONS.inc()
        self._reader.add_done_callback(lambda _: SESSIONS.dec())

    def _close(self) -> None:
        if self._reader is not None:
            # in the next turn: a task that is cancelled before it has begun does not close its session
            asyncio.get_running_loop().call_soon(self._reader.cancel)
        self._reader = self._session = None

    async def _read(self, session: RecognizerSession, number: int) -> None:
        """Feed the machine with what one recognizer session says, until it ends."""
        try:
            await self._read_events(session, number)
        except TimeoutError:
            self._failed(
                number,
                RecognizerError(
                    Reason.RECOGNIZER_UNREACHABLE, retryable=True, detail="the session did not get ready"
                ),
            )
        except RecognizerError as exc:
            self._failed(number, exc)
        finally:
            await self._close_session(session)

    async def _close_session(self, session: RecognizerSession) -> None:
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await session.aclose()
        except TimeoutError:
            log.warning(
                "recognizer session did not close in time",
                extra={"action": "recognizer_slow_close", "track_sid": self.machine.track_sid},
            )

    async def _read_events(self, session: RecognizerSession, number: int) -> None:
        async with asyncio.timeout(READY_SECONDS) as limit:
            async for event in session.events():
                now = self._clock.now()
                match event:
                    case SessionReady(tells_left):
                        limit.reschedule(None)
                        self._carry_out(self.machine.opened(number, now, tells_left=tells_left))
                    case Left(samples, commits):
                        self._carry_out(self.machine.left(number, samples, commits, now))
                    case Interim(text):
                        self._carry_out(self.machine.interim(number, text))
                    case Plain(text):
                        self._carry_out(self.machine.plain(number, text, now))
                    case Final(answer):
                        if self._committed:
                            ANSWER.observe(now - self._committed.popleft())
                        self._carry_out(self.machine.answered(number, answer, now))

    def _note_lost(self, reason: str, detail: str) -> None:
        """Count and log a session that was refused, lost, or given up because it did not answer."""
        LOST_SESSIONS.labels(reason).inc()
        log.warning(
            "recognizer session lost",
            extra={
                "action": "recognizer_lost",
                "track_sid": self.machine.track_sid,
                "reason": reason,
                "detail": detail,
            },
        )

    def _show_held_up(self, held_up: tuple[Reason, float] | None) -> None:
        """Move the figure of speech that waits for a failing recognizer."""
        before, self._held_up = self._held_up, held_up
        if before is not None:
            HELD_UP.labels(before[0]).dec(before[1])
        if held_up is not None:
            HELD_UP.labels(held_up[0]).inc(held_up[1])

    def _failed(self, number: int, error: RecognizerError) -> None:
        self._note_lost(error.reason, error.detail)
        self._carry_out(
            self.machine.failed(
                number,
                Reason(error.reason),
                self._clock.now(),
                retryable=error.retryable,
                retry_after_seconds=error.retry_after_seconds,
                detail=error.detail,
            )
        )
