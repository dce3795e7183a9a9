"""Voice activity -> which frames are sent to the recognizer, and when an utterance is committed.

         onset: >= MIN_SPEECH_SECONDS above `activation`
        +------------------------------------------------+
        |                                                v
      idle  (frames go to the pre-roll ring)          speaking  (frames are sent)
        ^                                                |
        +------------------------------------------------+
         end of speech: `min_silence` below deactivation

Only speech costs money, so: the pre-roll (`preroll` seconds) is sent with the onset; in a pause the
first `HANGOVER_SECONDS` are sent, the rest is held back until speech goes on (then it is sent as well)
or ends (then it never is). A talker who does not end is committed between `max_utterance - 3` and
`max_utterance` seconds: in a pause, or at the first spot that is as quiet as the quietest of his own
speech so far.

Probabilities are Silero's, one for each 512 samples (32 ms), smoothed like the reference VAD does it.
"""

from __future__ import annotations

from bisect import insort
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from agent.core.model import SAMPLE_RATE

WINDOW_SAMPLES = 512
"""Samples behind one probability."""
MIN_SPEECH_SECONDS = 0.05
SMOOTHING = 0.35
"""Share of the past in the smoothed probability."""
DEACTIVATION_BELOW_ACTIVATION = 0.15
HANGOVER_SECONDS = 0.2
QUIET_SEARCH_SECONDS = 3.0
QUIET_QUANTILE = 0.05


@dataclass(frozen=True, slots=True)
class GateSettings:
    """How speech is told from silence; seconds."""

    activation: float = 0.5
    """Smoothed probability at which speech begins, 0..1."""
    min_silence: float = 0.35
    """Silence that ends an utterance."""
    preroll: float = 0.5
    """Audio from before the onset that is sent too."""
    max_utterance: float = 20.0
    """Longest utterance before it is committed in the middle of speech."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A piece of one track's audio."""

    start: int
    """Number of its first sample in the track."""
    pcm: bytes
    """PCM16 mono 16 kHz."""
    level: float = 0.0
    """Root mean square of its samples, 0..32768."""

    @property
    def samples(self) -> int:
        return len(self.pcm) // 2

    @property
    def end(self) -> int:
        """Number of the first sample after it."""
        return self.start + self.samples


@dataclass(slots=True)
class Decision:
    """What the gate says to one frame."""

    send: list[Frame] = field(default_factory=list)
    """Frames to be sent now, in order; each frame is sent at most once."""
    discard: list[Frame] = field(default_factory=list)
    """Frames that are silence for good."""
    commit: bool = False
    """The utterance ends after the frames of `send`."""


class Gate:
    """One track's gate. Frames in, decisions out; holds at most the pre-roll or one pause of audio."""

    def __init__(self, settings: GateSettings) -> None:
        self._settings = settings
        self._deactivation = max(settings.activation - DEACTIVATION_BELOW_ACTIVATION, 0.01)
        self._held: deque[Frame] = deque()
        self._held_samples = 0
        self._smoothed: float | None = None
        self._speech_run = 0
        self._silence_run = 0
        self._sent = 0
        self._levels: list[float] = []
        self._last_level = 0.0
        self.speaking = False

    @property
    def held_samples(self) -> int:
        """Samples received of which it is not yet known whether they are speech."""
        return self._held_samples

    def feed(self, frame: Frame, probabilities: Sequence[float]) -> Decision:
        """Decide on `frame`; `probabilities` are of the VAD windows that it completed (none, one or two)."""
        decision = Decision()
        for probability in probabilities:
            self._weigh(probability)
        self._hold(frame)
        if not self.speaking:
            if self._speech_run * WINDOW_SAMPLES < MIN_SPEECH_SECONDS * SAMPLE_RATE:
                self._trim_ring(decision)
                return decision
            self.speaking = True
            self._begin_utterance()
        self._advance(frame, decision)
        return decision

    def flush(self) -> Decision:
        """The track ends or is muted: what is being said is committed, what was held is decided."""
        decision = Decision(commit=self.speaking and self._sent > 0)
        if self._speech_run and not self.speaking:
            decision.commit = True  # cut off in the first syllable: too short to be sure, too good to lose
            self._release(decision)
        decision.discard.extend(self._take_held())
        self._reset()
        return decision

    def _weigh(self, probability: float) -> None:
        smoothed = (
            probability
            if self._smoothed is None
            else SMOOTHING * self._smoothed + (1 - SMOOTHING) * probability
        )
        self._smoothed = smoothed
        if smoothed >= self._settings.activation or (self.speaking and smoothed > self._deactivation):
            self._speech_run += 1
            self._silence_run = 0
        else:
            self._silence_run += 1
            self._speech_run = 0

    def _advance(self, frame: Frame, decision: Decision) -> None:
        silence = self._silence_run * WINDOW_SAMPLES / SAMPLE_RATE
        if silence < min(HANGOVER_SECONDS, self._settings.min_silence):
            self._release(decision)
        elif silence >= self._settings.min_silence:
            decision.commit = self._sent > 0
            self._end_of_speech(decision)
            return
        level = self._note_level(frame)
        if self._sent and self._is_cut(frame, level):
            decision.commit = True
            self._begin_utterance()

    def _begin_utterance(self) -> None:
        self._sent = 0
        self._levels.clear()

    def _end_of_speech(self, decision: Decision) -> None:
        self.speaking = False
        self._speech_run = 0
        self._trim_ring(decision)  # the pause is the pre-roll of what comes next

    def _is_cut(self, frame: Frame, level: float) -> bool:
        """True when speech that goes on is to be committed after `frame` (before it, if it is held back)."""
        longest = round(self._settings.max_utterance * SAMPLE_RATE)
        if self._sent + self._held_samples + frame.samples > longest:
            return True
        if self._sent < longest - QUIET_SEARCH_SECONDS * SAMPLE_RATE:
            return False
        if self._held:
            return True
        return level <= self._levels[int(len(self._levels) * QUIET_QUANTILE)]

    def _note_level(self, frame: Frame) -> float:
        """The level of `frame` and the one before it: one quiet frame alone can lie inside a word."""
        level = max(frame.level, self._last_level)
        self._last_level = frame.level
        insort(self._levels, level)
        return level

    def _hold(self, frame: Frame) -> None:
        self._held.append(frame)
        self._held_samples += frame.samples

    def _release(self, decision: Decision) -> None:
        frames = self._take_held()
        self._sent += sum(frame.samples for frame in frames)
        decision.send.extend(frames)

    def _take_held(self) -> list[Frame]:
        frames = list(self._held)
        self._held.clear()
        self._held_samples = 0
        return frames

    def _trim_ring(self, decision: Decision) -> None:
        keep = round(self._settings.preroll * SAMPLE_RATE) + self._speech_run * WINDOW_SAMPLES
        while self._held and self._held_samples - self._held[0].samples >= keep:
            frame = self._held.popleft()
            self._held_samples -= frame.samples
            decision.discard.append(frame)

    def _reset(self) -> None:
        self.speaking = False
        self._smoothed = None
        self._speech_run = self._silence_run = self._sent = 0
        self._levels.clear()
        self._last_level = 0.0
