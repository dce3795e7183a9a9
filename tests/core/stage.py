"""A track's machine on a stage: a talker on one side, a recognizer service on the other, time in between.

Everything happens in order of room time; after each step the promises of the machine are checked:
the books balance, nothing is left to do at the same moment, and no word comes from before the watermark.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from random import Random

import numpy as np
from numpy.typing import NDArray

from agent.core.commands import CloseSession, Command, Commit, Emit, OpenSession, SendAudio
from agent.core.model import SAMPLE_RATE, Gap, Reason, Segment, Speaker, Status
from agent.core.track import TrackMachine, TrackSettings
from agent.core.transcript import Transcript
from tests.core.simulated import Fate, Say, SimulatedSession, Spoken, audio_of

BEGIN = 100.0
"""Room time at which the track begins."""
FRAME = 800
WINDOW = 512
INTERIM_SAMPLES = SAMPLE_RATE // 2
"""The service tells what it understands so far each time it has heard so much."""
ANN = Speaker("ann", "Ann", "candidate", "candidate")


@dataclass(frozen=True)
class Refusal:
    """A time in which the service takes no new session."""

    start: float
    """Seconds of the track, like all times that a test gives."""
    end: float
    retryable: bool = True
    reason: Reason = Reason.RECOGNIZER_UNREACHABLE


@dataclass
class Plot:
    """What happens, in seconds of the track."""

    words: Sequence[Spoken]
    seconds: float
    noises: Sequence[tuple[float, float]] = ()
    """Stretches that sound like speech and hold no word."""
    mutes: Sequence[tuple[float, float]] = ()
    frames_in_mutes: bool = True
    stalls: Sequence[tuple[float, float]] = ()
    """Stretches whose audio never arrives."""
    delays: Sequence[tuple[float, float]] = ()
    """Stretches whose frames arrive at their end, all at once."""
    jitter_seconds: float = 0.0
    fates: Sequence[Fate] = ()
    """What happens to the first commits."""
    drops: Sequence[float] = ()
    refusals: Sequence[Refusal] = ()
    dead: tuple[float, float] | None = None
    """A time in which commits are not answered."""
    link_speed: float | None = None
    """Speed of the link to the service, times real time; None: no limit, and nothing is reported."""
    link_stalls: Sequence[tuple[float, float]] = ()
    """Stretches in which nothing gets through the link."""
    session_limit: float = float("inf")
    """Seconds after which the service ends a session."""
    most_ahead: float = float("inf")
    """Seconds by which a session's audio may run ahead of its time before the service ends it."""
    open_seconds: float = 0.03
    answer_seconds: float = 0.05
    one_by_one: bool = False
    """An answer takes its time after the one before it, not after its commit."""
    settings: TrackSettings = field(default_factory=TrackSettings)
    wait_at_end: float = 400.0
    """How long the track may take to finish after its end."""


class Stage:
    """One performance of a plot."""

    def __init__(self, plot: Plot) -> None:
        self.plot = plot
        self.now = BEGIN
        self.machine = TrackMachine(ANN, "TR_a", "microphone", plot.settings, Random(1))
        self.segments: list[Segment] = []
        self.gaps: list[Gap] = []
        self.statuses: list[tuple[float, Status]] = []
        self.lost: list[CloseSession] = []
        """Sessions that the machine gave up."""
        self.opened: list[float] = []
        """Room times at which a session was asked for."""
        self.fed: list[tuple[float, float]] = []
        """Room times at which the service got audio, and how many seconds of it."""
        self.session: SimulatedSession | None = None
        self.heard_by_service = 0
        self.placeless: set[int] = set()
        """Words whose times the service never told."""
        self._number = 0
        self._is_open = False
        self._fates = list(plot.fates)
        self._lengths = {word.number: word.samples for word in plot.words}
        self._events: list[tuple[float, int, Callable[[], list[Command]]]] = []
        self._order = count()
        self._answer_at = self._link_free_at = 0.0
        self._carried_samples = self._carried_commits = 0
        self._used_at = self._ready_at = BEGIN
        self._said = ""
        """The last text that the service told without being asked."""
        self._transcript = Transcript()
        self._mark = float("-inf")

    # ---- the talker

    def play(self) -> Stage:
        """From the first frame until all is answered or a gap; checks that it comes to an end."""
        self.play_until_end()
        self.play_tail()
        return self

    def play_tail(self) -> None:
        """The track's end, and what is still awaited then."""
        self.act(lambda: self.machine.ended(self.now))
        limit = self.now + self.plot.wait_at_end
        while not self.machine.finished and self.now < limit:
            self._run_until(min(self._next_time(), limit))
        assert self.machine.finished
        assert self.session is None

    def play_until_end(self) -> None:
        """The track up to its last frame."""
        for start, end in self.plot.mutes:
            self._at(BEGIN + start, lambda: self.machine.muted(self.now))
            self._at(BEGIN + end, lambda: self.machine.unmuted(self.now))
        for moment in self.plot.drops:
            self._at(BEGIN + moment, self._drop)
        for arrival, pcm, level, probabilities in self._frames():
            self._run_until(arrival)
            self.now = max(self.now, arrival)
            self.act(lambda p=pcm, x=level, v=probabilities: self.machine.heard(p, x, v, self.now))  # type: ignore[misc]

    def wait(self, seconds: float) -> None:
        """No frame comes for so long."""
        self._run_until(self.now + seconds)

    def _frames(self) -> list[tuple[float, bytes, float, list[float]]]:
        samples = round(self.plot.seconds * SAMPLE_RATE)
        audio = audio_of(self.plot.words, samples)
        loud = audio != 0
        for start, end in self.plot.noises:
            loud[round(start * SAMPLE_RATE) : round(end * SAMPLE_RATE)] = True
        rng = Random(2)
        rest: NDArray[np.bool_] = np.zeros(0, np.bool_)
        frames, latest = [], 0.0
        for start in range(0, samples - FRAME + 1, FRAME):
            moment = (start + FRAME) / SAMPLE_RATE
            silent = not self.plot.frames_in_mutes and _inside(moment, self.plot.mutes)
            if _inside(moment, self.plot.stalls) or silent:
                continue
            rest = np.concatenate([rest, loud[start : start + FRAME]])
            probabilities = []
            while rest.size >= WINDOW:
                probabilities.append(1.0 if rest[:WINDOW].mean() >= 0.5 else 0.0)
                rest = rest[WINDOW:]
            level = 1000.0 * float(loud[start : start + FRAME].mean())
            late = next((end for begin, end in self.plot.delays if begin <= moment < end), moment)
            latest = max(latest, late + rng.uniform(0, self.plot.jitter_seconds))
            frames.append((BEGIN + latest, audio[start : start + FRAME].tobytes(), level, probabilities))
        return frames

    # ---- the service

    def _open(self, number: int) -> None:
        assert self._number == 0, "a session is opened while another one is there"
        self._number = number
        self.opened.append(self.now)
        at = self.now + self.plot.open_seconds
        self._at(at, lambda: self._ready(number))

    def _ready(self, number: int) -> list[Command]:
        if number != self._number:
            return []
        moment = self.now - BEGIN
        refusal = next((one for one in self.plot.refusals if one.start <= moment < one.end), None)
        if refusal is not None:
            self._number = 0
            return self.machine.failed(
                number, refusal.reason, self.now, retryable=refusal.retryable, detail="refused"
            )
        self.session, self._is_open, self._said = SimulatedSession(self._lengths), True, ""
        self._answer_at = self._used_at = self._ready_at = self.now
        if self.plot.session_limit < float("inf"):
            self._at(self.now + self.plot.session_limit, lambda: self._end(number, Reason.RECOGNIZER_ERROR))
        self._link_free_at, self._carried_samples, self._carried_commits = self.now, 0, 0
        return self.machine.opened(number, self.now, tells_left=self.plot.link_speed is not None)

    def _drop(self) -> list[Command]:
        return self._end(self._number, Reason.RECOGNIZER_UNREACHABLE)

    def _end(self, number: int, reason: Reason) -> list[Command]:
        """The service ends this session, if it is still there."""
        if not self._is_open or number != self._number:
            return []
        self._close()
        return self.machine.failed(number, reason, self.now)

    def _close(self) -> None:
        self.session, self._number, self._is_open = None, 0, False

    def _carry(self, samples: int, arrives: Callable[[], object]) -> None:
        """Samples, or a commit (0), go over the link to the service."""
        assert self._is_open, "audio is sent to no session"
        if self.plot.link_speed is None:
            arrives()
            return
        number = self._number
        at = max(self.now, self._link_free_at) + samples / SAMPLE_RATE / self.plot.link_speed
        self._link_free_at = next(
            (BEGIN + end for start, end in self.plot.link_stalls if start <= at - BEGIN < end), at
        )

        def arrive() -> list[Command]:
            if not self._is_open or number != self._number:
                return []
            arrives()
            self._carried_samples += samples
            self._carried_commits += samples == 0
            return self.machine.left(number, self._carried_samples, self._carried_commits, self.now)

        self._at(self._link_free_at, arrive)

    def _commit(self) -> None:
        assert self.session is not None
        fate = self._fates.pop(0) if self._fates else Fate()
        if self.plot.dead is not None and _inside(self.now - BEGIN, [self.plot.dead]):
            fate = Fate("lost")
        if fate.kind == "no_times":
            self.placeless |= {int(text[1:]) for text in self.session.text().split()}
        self.session.commit(fate)
        number = self._number
        if self.plot.one_by_one:
            self._answer_at = max(self._answer_at, self.now) + self.plot.answer_seconds
        else:
            self._answer_at = max(self._answer_at, self.now + self.plot.answer_seconds)
        while self.session.says:
            say = self.session.says.popleft()
            self._at(self._answer_at, lambda say=say: self._say(number, say))  # type: ignore[misc]
        if fate.kind == "dropped":
            self._at(self._answer_at, self._drop)

    def _say(self, number: int, say: Say) -> list[Command]:
        self._used_at = self.now
        if say.plain:
            return self.machine.plain(number, say.answer.text, self.now)
        return self.machine.answered(number, say.answer, self.now)

    def _hear(self, pcm: bytes) -> list[Command]:
        assert self.session is not None, "audio is sent to no session"
        before = self.session.samples
        self.session.send(pcm)
        self.heard_by_service += len(pcm) // 2
        self.fed.append((self.now, len(pcm) / 2 / SAMPLE_RATE))
        self._used_at = self.now
        if self.session.samples / SAMPLE_RATE - (self.now - self._ready_at) > self.plot.most_ahead:
            ended = self._number
            self._at(self.now + 0.01, lambda: self._end(ended, Reason.RATE_LIMITED))
        if before // INTERIM_SAMPLES < self.session.samples // INTERIM_SAMPLES:
            self._said = self.session.text() or self._said  # the echo of what was answered last
            number, text = self._number, self._said
            self._at(self.now + 0.02, lambda: self.machine.interim(number, text))
        return []

    # ---- time

    def act(self, what: Callable[[], list[Command]]) -> None:
        """Do something, carry out what the machine asks for, and check its promises."""
        self._carry_out(what())
        machine, now = self.machine, self.now
        self._carry_out(machine.tick(now))
        assert machine.unaccounted_samples() == 0
        assert machine.tick(now) == [], "a tick left something to do"
        deadline = machine.next_deadline()
        assert deadline is None or deadline > now, "a deadline has passed"
        mark = machine.watermark(now)
        assert mark >= self._mark, "the watermark went back"
        self._mark = mark
        idle = 0.0 if machine.pending else now - self._used_at
        assert not self._is_open or idle <= self.plot.settings.idle_seconds + 1.1, "an idle session is open"

    def _carry_out(self, commands: Sequence[Command]) -> None:
        for command in commands:
            match command:
                case OpenSession(number):
                    self._open(number)
                case CloseSession(number, lost):
                    if lost is not None:
                        self.lost.append(command)
                    assert number == self._number, "a session is closed that is not there"
                    self._close()
                case SendAudio(pcm):
                    self._carry(len(pcm) // 2, lambda pcm=pcm: self._hear(pcm))  # type: ignore[misc]
                case Commit():
                    self._carry(0, self._commit)
                case Emit(item):
                    self._show(item)

    def _show(self, item: Segment | Gap | Status) -> None:
        if isinstance(item, Gap):
            self.gaps.append(item)
        elif isinstance(item, Status):
            self.statuses.append((self.now, item))
        else:
            self.segments.append(item)
            assert self._transcript.apply(item), "a version that readers cannot use"
            allowed = self._mark - self.plot.jitter_seconds - 1e-6
            assert all(word.start >= allowed for word in item.words), "a word from before the watermark"

    def _at(self, moment: float, what: Callable[[], list[Command]]) -> None:
        heapq.heappush(self._events, (moment, next(self._order), what))

    def _next_time(self) -> float:
        deadline = self.machine.next_deadline()
        times = [self._events[0][0]] if self._events else []
        return min([*times, *([] if deadline is None else [deadline])], default=float("inf"))

    def _run_until(self, moment: float) -> None:
        """Everything that is due up to `moment`, in order."""
        while (at := self._next_time()) <= moment:
            self.now = max(self.now, at)
            if self._events and self._events[0][0] <= at:
                self.act(heapq.heappop(self._events)[2])
            else:
                self.act(lambda: self.machine.tick(self.now))

    # ---- what came of it

    @property
    def finals(self) -> list[Segment]:
        return [one for one in self.segments if one.final and one.text]

    @property
    def told(self) -> Counter[int]:
        """How often each word was told, by its number."""
        return Counter(int(text[1:]) for one in self.finals for text in one.text.split())

    def is_in_gap(self, word: Spoken) -> bool:
        middle = BEGIN + (word.start + word.end) / 2 / SAMPLE_RATE
        return any(gap.start <= middle <= gap.end for gap in self.gaps)

    def check_words(self) -> None:
        """Every word that could be heard was told once, or lies in a gap; none was told twice."""
        told = self.told
        for word in self.plot.words:
            assert told[word.number] <= 1, f"{word.text} was told twice"
            if not self._is_cut_off(word):
                assert told[word.number] == 1 or self.is_in_gap(word), f"{word.text} was lost"
        self.check_times()
        assert self._transcript.interims == (), "a line that never became final"
        sums = self.machine.accounting()
        assert sums.balanced
        assert sums.heard == self.machine._timeline.heard / SAMPLE_RATE

    def check_times(self) -> None:
        """Every word lies within 0.15 s of its true place."""
        for one in self.finals:
            for word in one.words:
                spoken = next(known for known in self.plot.words if known.text == word.text)
                if spoken.number in self.placeless:
                    continue
                assert word.start >= BEGIN + spoken.start / SAMPLE_RATE - 0.15
                assert word.end <= BEGIN + spoken.end / SAMPLE_RATE + 0.15
                if abs(word.end - word.start - spoken.samples / SAMPLE_RATE) < 0.02:
                    assert abs(word.start - BEGIN - spoken.start / SAMPLE_RATE) <= 0.15

    def _is_cut_off(self, word: Spoken) -> bool:
        """True when a mute, a stall or the end of the track took a part of it."""
        start, end = word.start / SAMPLE_RATE, word.end / SAMPLE_RATE
        cuts = [*self.plot.mutes, *self.plot.stalls, (self.plot.seconds - 0.05, float("inf"))]
        return any(start < last + 0.1 and end > first - 0.1 for first, last in cuts)


def _inside(moment: float, spans: Sequence[tuple[float, float]]) -> bool:
    return any(start <= moment < end for start, end in spans)


def talk(*starts: float, seconds: float = 0.4) -> list[Spoken]:
    """Words of so many seconds at these times."""
    samples = round(seconds * SAMPLE_RATE) | 1
    return [Spoken(number, round(start * SAMPLE_RATE), samples) for number, start in enumerate(starts, 1)]


def steady_talk(first: float, last: float, every: float = 0.6) -> list[Spoken]:
    """A word of 0.4 s every so many seconds."""
    return talk(*(first + index * every for index in range(int((last - first) / every))))
