"""A track on real parts but without a media server: its frames are paced from a clip of marked speech.

Real: TrackTask and its machine, Silero, the ElevenLabs plugin, the local recognizer on a socket. So many
cases run side by side on one event loop, each with a recognizer of its own that misbehaves as it is told.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from random import Random
from time import monotonic
from typing import Any, ClassVar

from agent.clock import Joining, RoomClock
from agent.core.model import Accounting, Gap, Reason, Segment, Speaker, State, Status
from agent.core.track import TrackMachine
from agent.rtc.silero import Detector, load_model
from agent.settings import Settings
from agent.stt.registry import create_recognizer
from agent.track_task import MEDIA_DELAY_SECONDS, TrackTask, track_settings
from local.marked_speech import Clip, sentences, synthesize
from local.recognizer.engines.scripted import ScriptedEngine
from local.recognizer.faults import Faults
from local.recognizer.server import RecognizerServer
from local.recognizer.session import Limits

FRAME_SECONDS = 0.05
FRAME_BYTES = 1600
WORD_TIME_TOLERANCE = 0.15
"""Seconds; design section 4."""
QUIET_SECONDS = 0.5
"""After the last word has come back, so long for what should not come."""
END_SECONDS = 12.0
"""How long a track may take to end."""
STAGGER_SECONDS = 0.037
"""Cases begin one after another, so that their frames do not fall on the same moment."""


@cache
def clip_of(words: int = 9, words_per_sentence: int = 3, pause: float = 0.7) -> Clip:
    """Marked words in sentences, 16 kHz, after half a second of silence."""
    plan = sentences(range(words), words_per_sentence=words_per_sentence, pause_seconds=pause, start=0.5)
    return synthesize(plan, sample_rate=16_000, tail_seconds=0.1)


@dataclass(frozen=True)
class Case:
    """One track with one recognizer, and what goes wrong."""

    faults: Faults = field(default_factory=Faults)
    clip: Clip = field(default_factory=clip_of)
    settings: dict[str, str] = field(default_factory=lambda: {"ANSWER_TIMEOUT": "2"})
    limits: Limits = field(default_factory=Limits)
    answer_delay: float = 0.05
    script: Callable[[Performance], Awaitable[None]] | None = None
    """What happens meanwhile; cancelled when the track ends."""
    patience: float = 20.0
    """Seconds after the last word in which all words must have come back; then the track ends anyhow."""
    give_up: Reason | None = None
    """Why the track is given up at its end, as at the end of a session; None: answers are awaited."""


@dataclass
class Performance:
    """A case while it runs, and what came of it; seconds since the first frame."""

    case: Case
    server: RecognizerServer
    task: TrackTask
    clock: RoomClock
    began: float = 0.0
    """Room time of the clip's first sample."""
    segments: list[tuple[float, Segment]] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    statuses: list[tuple[float, Status]] = field(default_factory=list)
    stats: dict[str, Any] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """Now."""
        return self.clock.now() - self.began

    @property
    def finals(self) -> list[Segment]:
        return [one for _, one in self.segments if one.final and one.text]

    @property
    def told(self) -> list[str]:
        """Every word of a final, in the order of coming."""
        return [word.text for one in self.finals for word in one.words]

    @property
    def states(self) -> list[tuple[State, Reason | None]]:
        """The statuses, in order."""
        return [(one.state, one.reason) for _, one in self.statuses]

    @property
    def sums(self) -> Accounting:
        return self.task.machine.accounting()

    @property
    def gap_seconds(self) -> float:
        return sum(gap.end - gap.start for gap in self.gaps)

    def missing(self) -> list[str]:
        """Words said and not told."""
        told = set(self.told)
        return [word.text for word in self.case.clip.words if word.text not in told]

    def delays(self) -> list[float]:
        """Seconds from the end of each word to its final."""
        ends = {word.text: word.end for word in self.case.clip.words}
        return [
            at - ends[word.text]
            for at, one in self.segments
            if one.final
            for word in one.words
            if word.text in ends
        ]

    def check_words(self, tolerance: float = WORD_TIME_TOLERANCE) -> None:
        """Each word once and at its time, or nothing at all is known of it and a gap covers it."""
        said = {word.text: word.start for word in self.case.clip.words}
        told = [text for text in self.told if text in said]
        assert sorted(told) == sorted(set(told)), "a word was told twice"
        for one in self.finals:
            for word in one.words:
                if word.text in said:
                    assert abs(word.start - self.began - said[word.text]) <= tolerance, word
        for text in self.missing():
            middle = self.began + said[text] + 0.2
            assert any(gap.start <= middle <= gap.end for gap in self.gaps), f"{text} was lost"

    def check_books(self) -> None:
        """The sums balance, and the seconds of the gaps are those that were given up."""
        assert self.task.machine.unaccounted_samples() == 0
        assert self.sums.balanced
        assert abs(self.gap_seconds - self.sums.gap) < 0.01

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait for what nothing announces."""
        while not holds():  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.02)


class _Voice(Detector):
    """Silero's judgement of one clip and the silence after it: asked once, and told to every case.

    The same audio has the same answer, and Silero costs as much as all the rest of a case.
    """

    _known: ClassVar[dict[bytes, tuple[Detector, list[tuple[list[float], float]]]]] = {}

    def __init__(self, pcm: bytes) -> None:
        self._silero, self._answers = self._known.setdefault(pcm, (load_model().detector(), []))
        self._next = 0

    def feed(self, pcm: bytes) -> tuple[list[float], float]:
        """What Silero said, or says now, of the next frame."""
        if self._next == len(self._answers):
            self._answers.append(self._silero.feed(pcm))
        self._next += 1
        return self._answers[self._next - 1]


class PacedFrames:
    """A live microphone: the clip, then silence, a frame every 50 ms by the clock, until it is closed."""

    def __init__(self, pcm: bytes, on_frame: Callable[[], bool]) -> None:
        """`on_frame` is asked before each frame whether the track goes on."""
        self._pcm = pcm
        self._on_frame = on_frame
        self.began = 0.0
        """When sample 0 was spoken, on the event loop's clock."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        self.began = loop.time()
        count = 0
        while self._on_frame():
            count += 1
            due = self.began + count * FRAME_SECONDS + MEDIA_DELAY_SECONDS
            await asyncio.sleep(max(due - loop.time(), 0))
            frame = self._pcm[(count - 1) * FRAME_BYTES : count * FRAME_BYTES]
            yield frame.ljust(FRAME_BYTES, b"\0")

    async def is_over(self) -> bool:
        """It has no receiver that another track could get."""
        return False

    async def aclose(self) -> None:
        """Nothing is held."""


async def perform(
    case: Case, *, server: RecognizerServer | None = None, identity: str = "ann"
) -> Performance:
    """Play one case to its end; `server` is shared with other cases when given."""
    if server is None:
        async with RecognizerServer(ScriptedEngine(case.answer_delay), limits=case.limits) as own:
            return await perform(case, server=own, identity=identity)
    settings = Settings.from_env(
        {
            "ELEVENLABS_API_KEY": "local",
            "ELEVENLABS_BASE_URL": server.base_url,
            "STT_LANGUAGE": "en",
            **case.settings,
        }
    )
    recognizer = create_recognizer(settings)
    clock = RoomClock(datetime.now(UTC), datetime.now(UTC), Joining(monotonic(), monotonic()))
    machine = TrackMachine(
        Speaker(identity, label=identity), "TR_a", "microphone", track_settings(settings), Random(identity)
    )

    def emit(item: Segment | Gap | Status) -> None:
        if isinstance(item, Segment):
            show.segments.append((show.seconds, item))
        elif isinstance(item, Gap):
            show.gaps.append(item)
        else:
            show.statuses.append((show.seconds, item))

    audio = PacedFrames(case.clip.pcm.tobytes(), lambda: _goes_on(show))
    task = TrackTask(
        machine,
        audio=audio,
        detector=_Voice(case.clip.pcm.tobytes()),
        recognizer=recognizer,
        clock=clock,
        emit=emit,
    )
    show = Performance(case, server, task, clock, began=clock.now())
    if case.faults != Faults():
        server.set_faults(case.faults)
    try:
        await _play(show)
    finally:
        await recognizer.aclose()
    show.stats = server.counters.as_json()
    return show


async def _play(show: Performance) -> None:
    async with asyncio.TaskGroup() as group:
        script = group.create_task(show.case.script(show)) if show.case.script else None
        limit = len(show.case.clip.pcm) / 16_000 + show.case.patience + END_SECONDS
        async with asyncio.timeout(limit):
            await show.task.run()
        if script is not None:
            script.cancel()


def _goes_on(show: Performance) -> bool:
    """The track ends when nothing more is to come, or when its case's patience does."""
    length = len(show.case.clip.pcm) / 16_000
    if show.seconds < length:
        return True
    whole = not show.missing() and not show.task.machine.pending
    if whole and show.segments[-1][0] < show.seconds - QUIET_SECONDS:
        return False
    if show.seconds < length + show.case.patience:
        return True
    if show.case.give_up is not None:
        show.task.give_up(show.case.give_up)
    return False


async def perform_all(cases: Sequence[Case]) -> list[Performance | BaseException]:
    """Play the cases side by side; what a case raised stands in its place."""

    async def later(place: int, case: Case) -> Performance:
        await asyncio.sleep(place * STAGGER_SECONDS)
        return await perform(case)

    return await asyncio.gather(
        *(later(place, case) for place, case in enumerate(cases)), return_exceptions=True
    )
