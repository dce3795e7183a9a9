"""One track's machine: gate, ledger, timeline and recognizer session together.

    frames -> timeline -> gate -> ledger -> commands (audio, commit) -> recognizer
    recognizer -> interim, answer -> ledger -> timeline -> segments

Every method takes what happened and `now` (room time, seconds) and returns the commands to be carried out
in order; `next_deadline()` says when `tick` is due. A track is over (`finished`) when it has ended and each
second of its speech was answered or is a gap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from agent.core.commands import CloseSession, Command, Commit, Emit, OpenSession, SendAudio
from agent.core.gate import Decision, Frame, Gate, GateSettings
from agent.core.health import TROUBLE_SECONDS, Health
from agent.core.items import ItemMaker
from agent.core.ledger import Answer, Answered, Ledger, SendCommit, Utterance
from agent.core.link import Link, LinkEvent, LinkState
from agent.core.model import SAMPLE_RATE, Accounting, Gap, Reason, Segment, Speaker, State, Status
from agent.core.mute import Mute
from agent.core.timeline import Timeline
from agent.core.transit import Transit
from agent.core.upkeep import Upkeep
from agent.core.wordless import UNANSWERED_SECONDS, Wordless, has_words

NO_FRAMES_SECONDS = 1.0
"""Speech whose frames stay away for so long is committed."""
STALE_SECONDS = 2.0
"""A track without frames for so long no longer holds the watermark back."""
FIRST_FRAME_SECONDS = 0.5
"""How late the first frame of a track may come."""


@dataclass(frozen=True, slots=True)
class TrackSettings:
    """Limits of one track; seconds."""

    gate: GateSettings = field(default_factory=GateSettings)
    ledger_seconds: float = 150.0
    """Audio kept while unanswered; what falls off becomes a gap."""
    idle_seconds: float = 30.0
    """A recognizer session without speech is closed after so long."""
    answer_timeout: float = 10.0
    """A commit that is not answered in so long is taken as a drop."""
    session_seconds: float = 0.0
    """Longest life of a recognizer session, by the provider's rule; 0: no limit is known."""
    media_delay: float = 0.0
    """Least time that audio takes from the speaker to here; word times are of the speaker's moment."""
    language: str = ""
    """ISO 639 code that the recognizer was asked for; empty: it detects the language."""


class TrackMachine:
    """The state of one track. Not thread safe; owned by the track's task."""

    def __init__(
        self,
        speaker: Speaker,
        track_sid: str,
        source: str,
        settings: TrackSettings,
        random: Random,
        *,
        told: Status | None = None,
    ) -> None:
        """`told`: the fault of an earlier track of this speaker that readers still know of."""
        self.speaker = speaker
        self.track_sid = track_sid
        self._settings = settings
        self.timeline = self._timeline = Timeline(settings.media_delay)
        """Where its audio lies in room time."""
        self._items = ItemMaker(speaker, track_sid, source, self._timeline, language=settings.language)
        self._gate = Gate(settings.gate)
        self._ledger = Ledger(settings.ledger_seconds)
        self._link = Link(random)
        self._silence = 0
        lacks_words = told is not None and told.reason is Reason.NO_WORDS
        self._health = Health(speaker, None if lacks_words else told)
        self._wordless = Wordless(settings.gate.preroll + settings.gate.min_silence, told=lacks_words)
        self._wordless_samples = 0
        self._upkeep = Upkeep(settings.idle_seconds, settings.answer_timeout, settings.session_seconds)
        self._transit = Transit()
        self._last_heard_at: float | None = None
        self._watermark = 0.0
        self._mute = Mute()
        self._ended_at: float | None = None
        self._reconnects = 0

    # ---- what happens on the room's side

    def heard(self, pcm: bytes, level: float, probabilities: Sequence[float], now: float) -> list[Command]:
        """A frame (PCM16 mono 16 kHz) with its RMS level and the VAD probabilities it completed.

        A frame that comes after the end is no part of the track.
        """
        if self._ended_at is not None:
            return []
        start = self._timeline.heard
        commands = self._missing(self._timeline.heard_frame(len(pcm) // 2, now))
        self._last_heard_at = now
        frame = Frame(start, pcm, level)
        if self._mute.silences(now):
            commands += self._close_utterance(now)
            self._silence += frame.samples
        else:
            commands += self._apply(self._gate.feed(frame, probabilities), now)
        return commands + self.tick(now)

    def muted(self, now: float) -> list[Command]:
        """The participant muted the track; frames may go on."""
        self._mute.begin(now)
        return []

    def unmuted(self, now: float) -> list[Command]:
        """The participant unmuted the track."""
        return self._close_utterance(now) + self.tick(now) if self._mute.end(now) else []

    def ended(self, now: float) -> list[Command]:
        """No frame will follow: the tail is committed and its answer awaited."""
        return self._end(now) + self._close_utterance(now) + self.tick(now)

    def give_up(self, reason: Reason, now: float) -> list[Command]:
        """No time is left: what is unanswered becomes a gap. The track has ended then.

        `reason` is that of the gaps unless the recognizer has failed: then that is the cause.
        """
        commands = self._end(now)
        self._take(self._gate.flush(), now)
        commands += self._settled(self._ledger.settle_plain(float("inf")), now)
        reason = self._health.reason(reason)
        for utterance in self._ledger.unanswered:
            commands += self._lost(utterance, reason)
        return commands + self._close_link()

    # ---- what happens on the recognizer's side

    def opened(self, number: int, now: float, *, tells_left: bool = False) -> list[Command]:
        """The session is open: send what waits. `tells_left`: `left` will be called for it."""
        if self._stale(number):
            return []
        self._link.feed(LinkEvent.OPENED)
        self._upkeep.opened(now)
        self._health.opening_over()
        self._ledger.begin_session(tells_left=tells_left)
        self._transit.begin(tells_left=tells_left)
        return self.tick(now)

    def left(self, number: int, samples: int, commits: int, now: float) -> list[Command]:
        """So many samples and commits of the session have left this host so far."""
        if self._stale(number):
            return []
        self._transit.left(samples, commits, now)
        self._ledger.left(commits, now)
        return self.tick(now)

    def failed(
        self,
        number: int,
        reason: Reason,
        now: float,
        *,
        retryable: bool = True,
        retry_after_seconds: float | None = None,
        detail: str = "",
    ) -> list[Command]:
        """The session could not be opened, or was lost."""
        if self._stale(number):
            return []
        if reason is Reason.RATE_LIMITED:
            self._upkeep.refused_pace()
        self._upkeep.closed()
        self._transit.end()
        self._reconnects += 1
        if self._ledger.oldest is None:
            self._health.opening_over()
            self._link.feed(LinkEvent.UNUSED)  # an idle session was closed on us: no harm done
            return _emit(self._health.link_caught_up())
        self._link.failed(now, retryable=retryable, retry_after_seconds=retry_after_seconds)
        status = self._health.fault(reason, now, retryable=retryable, detail=detail)
        return _emit(status) + self.tick(now)

    def interim(self, number: int, text: str) -> list[Command]:
        """The recognizer's text so far for the oldest unanswered utterance."""
        utterance = None if self._stale(number) else self._ledger.interim(text)
        if utterance is None:
            return []
        heard = self._wordless.word() if has_words(text) else None
        return [*self._words(heard), Emit(self._items.interim(utterance))]

    def plain(self, number: int, text: str, now: float) -> list[Command]:
        """The copy of an answer that carries no times."""
        if not self._stale(number):
            self._ledger.plain(text, now)
        return []

    def answered(self, number: int, answer: Answer, now: float) -> list[Command]:
        """An answer with times (seconds of audio sent on the session)."""
        if self._stale(number):
            return []
        return self._settled(self._ledger.answer(answer, now), now) + self.tick(now)

    # ---- time

    def tick(self, now: float) -> list[Command]:
        """Do what is due at `now`; once more at the same `now` does nothing."""
        commands: list[Command] = []
        if _is_due(self._pause_at(), now):
            commands += self._close_utterance(now)
        if _is_due(self._ledger.plain_due(), now):
            commands += self._settled(self._ledger.settle_plain(now), now)
        for utterance in self._ledger.overflow():
            commands += self._lost(utterance, self._health.reason(Reason.OVERFLOW))
        for utterance in self._ledger.hopeless(now):
            commands += self._lost(utterance, self._health.reason(Reason.RECOGNIZER_ERROR))
        if _is_due(self._give_up_at(), now):
            return commands + self.give_up(Reason.RECOGNIZER_ERROR, now)
        commands += self._tick_link(now)
        if _is_due(self._no_text_at(), now):
            commands += self._words(self._wordless.unanswered())
        return commands + (_emit(self._health.tell()) if _is_due(self._status_at(), now) else [])

    def next_deadline(self) -> float | None:
        """Room time at which `tick` is due even if nothing happens; None when nothing is awaited."""
        oldest = self._ledger.oldest
        due = [
            self._link.retry_at,
            self._upkeep.sends_at,
            self._pause_at(),
            self._give_up_at(),
            self._ledger.plain_due(),
            self._upkeep.answer_due_at(oldest),
            self._upkeep.idle_at(oldest),
            self._upkeep.renew_at(owes=self._ledger.owes),
            self._transit.stalled_at(self._settings.answer_timeout),
            self._slow_at(),
            self._status_at(),
            self._no_text_at(),
        ]
        return min((at for at in due if at is not None), default=None)

    def watermark(self, now: float) -> float:
        """Room time before which nothing of this track will change any more; never goes back."""
        self._watermark = max(self._watermark, self._settled_until(now))
        return self._watermark

    @property
    def pending(self) -> bool:
        """True while some speech is unanswered."""
        return self._ledger.oldest is not None

    @property
    def held_up(self) -> tuple[Reason, float] | None:
        """Why the recognizer fails now, and the seconds of speech that wait; None while it works."""
        reason = self._health.fault_reason
        return None if reason is None else (reason, self._ledger.open_samples / SAMPLE_RATE)

    @property
    def finished(self) -> bool:
        """True when the track has ended and nothing of it is awaited."""
        return (
            self._ended_at is not None
            and self._ledger.oldest is None
            and self._link.state is LinkState.CLOSED
        )

    def accounting(self) -> Accounting:
        """The sums so far; the audio that the gate still holds counts as neither speech nor heard."""
        return Accounting(
            speaker=self.speaker,
            heard=(self._ledger.speech + self._silence) / SAMPLE_RATE,
            speech=self._ledger.speech / SAMPLE_RATE,
            sent=self._ledger.sent / SAMPLE_RATE,
            answered=self._ledger.answered / SAMPLE_RATE,
            gap=self._ledger.gap / SAMPLE_RATE,
            replayed=self._ledger.replayed / SAMPLE_RATE,
            reconnects=self._reconnects,
            wordless=self._wordless_samples / SAMPLE_RATE,
        )

    def unaccounted_samples(self) -> int:
        """Samples that the books do not explain; anything but 0 is a fault in our code."""
        heard = self._silence + self._ledger.speech + self._gate.held_samples
        owed = self._ledger.answered + self._ledger.gap + self._ledger.open_samples
        return abs(self._timeline.heard - heard) + abs(self._ledger.speech - owed)

    # ---- inside

    def _end(self, now: float) -> list[Command]:
        if self._ended_at is not None:
            return []
        self._ended_at = now
        return self._missing(self._timeline.end())

    def _missing(self, span: tuple[float, float] | None) -> list[Command]:
        """The gap of frames that stayed away; while the track is muted nothing is missing."""
        if span is None:
            return []
        return [Emit(self._items.gap(*part, Reason.STALLED)) for part in self._mute.missing(*span)]

    def _apply(self, decision: Decision, now: float) -> list[Command]:
        self._take(decision, now)
        return self._send(now) if decision.send or decision.commit else []

    def _take(self, decision: Decision, now: float) -> None:
        self._silence += sum(frame.samples for frame in decision.discard)
        self._ledger.append(decision.send)
        if decision.send:
            self._upkeep.used(now)
        if decision.commit:
            self._ledger.commit()

    def _close_utterance(self, now: float) -> list[Command]:
        return self._apply(self._gate.flush(), now)

    def _send(self, now: float) -> list[Command]:
        portion = self._upkeep.portion(now)
        if not portion:
            return []
        portion = min(portion, self._transit.room())
        before = self._ledger.sent
        sends = self._ledger.next_sends(portion, now, begin=not self._upkeep.is_old(now))
        self._transit.handed(*self._ledger.handed, now)
        self._upkeep.sent(self._ledger.sent - before, now, behind=self._ledger.has_unsent())
        return [Commit() if isinstance(one, SendCommit) else SendAudio(one.pcm) for one in sends]

    def _tick_link(self, now: float) -> list[Command]:
        """Open, use and close the recognizer session as the ledger needs it."""
        needed = self._ledger.oldest is not None
        if not needed and (self._ended_at is not None or self._link.state is LinkState.WAITING):
            return self._close_link()
        match self._link.state:
            case LinkState.CLOSED if needed:
                return self._open(LinkEvent.NEEDED, now)
            case LinkState.WAITING if _is_due(self._link.retry_at, now):
                return self._open(LinkEvent.DUE, now)
            case LinkState.OPEN:
                return self._tick_open(now)
        return []

    def _tick_open(self, now: float) -> list[Command]:
        oldest = self._ledger.oldest
        if _is_due(self._upkeep.idle_at(oldest), now):
            return self._close_link()
        if _is_due(self._upkeep.renew_at(owes=self._ledger.owes), now):
            return self._close_link() + self._tick_link(now)
        if _is_due(self._upkeep.answer_due_at(oldest), now):
            return self._lose(Reason.RECOGNIZER_ERROR, "the recognizer did not answer in time", now)
        if _is_due(self._transit.stalled_at(self._settings.answer_timeout), now):
            return self._lose(Reason.RECOGNIZER_UNREACHABLE, "no audio leaves the connection", now)
        commands = self._send(now) if _is_due(self._upkeep.sends_at, now) else []
        return commands + self._look_at_link(now)

    def _lose(self, reason: Reason, detail: str, now: float) -> list[Command]:
        """Leave the open session for a new one."""
        number = self._link.number
        return [CloseSession(number, reason, detail), *self.failed(number, reason, now, detail=detail)]

    def _look_at_link(self, now: float) -> list[Command]:
        """Say that the session's link is slow, or that it has caught up."""
        if _is_due(self._slow_at(), now):
            return _emit(self._health.link_is_slow())
        if self._health.slow and self._transit.caught_up(now) and not self._ledger.has_unsent():
            return _emit(self._health.link_caught_up())
        return []

    def _slow_at(self) -> float | None:
        return None if self._health.slow else self._transit.slow_at()

    def _status_at(self) -> float | None:
        """When a fault is to be told. An open session may have mended it, unless its answer stays away."""
        due = self._health.due()
        if due is None or self._link.state is not LinkState.OPEN:
            return due
        oldest = self._ledger.oldest
        if oldest is None:
            return None
        if oldest.commit_left_at is None:
            return due if oldest.tries else None  # its answer has stayed away before: do not wait again
        return max(due, oldest.commit_left_at + TROUBLE_SECONDS)

    def _settled_until(self, now: float) -> float:
        oldest = self._ledger.oldest
        if oldest is not None:
            return self._timeline.room_time(oldest.start)
        if self._ended_at is not None:
            return now
        if self._last_heard_at is None:
            return now - FIRST_FRAME_SECONDS
        if now - self._last_heard_at >= STALE_SECONDS:
            return now - STALE_SECONDS
        return self._timeline.room_time(self._timeline.heard - self._gate.held_samples)

    def _give_up_at(self) -> float | None:
        """When to stop waiting for the answers of a track that has ended."""
        if self._ended_at is None or self._ledger.oldest is None:
            return None
        return self._ended_at + self._settings.ledger_seconds

    def _pause_at(self) -> float | None:
        """When speech ends for want of frames: the track was muted, or its frames stay away."""
        if not self._gate.speaking or self._last_heard_at is None:
            return None
        cut_at = self._mute.cut_at()
        return self._last_heard_at + NO_FRAMES_SECONDS if cut_at is None else cut_at

    def _open(self, event: LinkEvent, now: float) -> list[Command]:
        self._link.feed(event)
        self._health.opening(now)
        return [OpenSession(self._link.number)]

    def _close_link(self) -> list[Command]:
        self._upkeep.closed()
        self._transit.end()
        self._health.opening_over()
        if self._link.state is LinkState.CLOSED:
            return []
        was_waiting = self._link.state is LinkState.WAITING
        self._link.feed(LinkEvent.UNUSED)
        caught_up = [] if self.pending else _emit(self._health.link_caught_up())
        return caught_up if was_waiting else [CloseSession(self._link.number), *caught_up]

    def _stale(self, number: int) -> bool:
        return number != self._link.number or self._link.state not in (LinkState.OPENING, LinkState.OPEN)

    def _settled(self, settled: list[Answered], now: float) -> list[Command]:
        commands: list[Command] = []
        if settled:
            self._link.answered()
            commands += _emit(self._health.answered())
            oldest = self._ledger.oldest
            self._upkeep.answered(now, next_one=oldest is None or settled[0].utterance.start < oldest.start)
        commands += self._look_for_words(settled)
        for one in settled:
            commands += _emit(self._items.final(one))
        return commands

    def _look_for_words(self, settled: list[Answered]) -> list[Command]:
        """Note whether there are words in an answer, which may be that of several utterances."""
        if any(has_words(one.answer.text) for one in settled):
            return self._words(self._wordless.word())
        commands: list[Command] = []
        for utterance in [one.utterance for one in settled]:
            self._wordless_samples += utterance.samples
            span = utterance.start / SAMPLE_RATE, utterance.end / SAMPLE_RATE
            commands += self._words(self._wordless.answered(*span))
        return commands

    def _words(self, state: State | None) -> list[Command]:
        """The status about words. One that takes it back names its reason, too: other faults may go on."""
        if state is None:
            return []
        detail = (
            "" if state is State.LISTENING else "there is speech, but the recognizer finds no words in it"
        )
        return [Emit(Status(state, Reason.NO_WORDS, self.speaker, detail))]

    def _no_text_at(self) -> float | None:
        """When a long stretch of speech that goes on is to be told, since nothing has come back at all."""
        oldest = self._ledger.oldest
        if self._wordless.told or oldest is None or oldest.begun_at is None or oldest.interim:
            return None
        if self._link.state is not LinkState.OPEN or oldest.samples < UNANSWERED_SECONDS * SAMPLE_RATE:
            return None
        return oldest.begun_at + UNANSWERED_SECONDS

    def _lost(self, utterance: Utterance, reason: Reason) -> list[Command]:
        self._ledger.give_up(utterance)
        return [Emit(item) for item in self._items.lost(utterance, reason)]


def _is_due(at: float | None, now: float) -> bool:
    return at is not None and now >= at


def _emit(item: Segment | Gap | Status | None) -> list[Command]:
    return [] if item is None else [Emit(item)]
