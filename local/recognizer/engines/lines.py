"""Cuts one stream of audio into lines that are worth decoding. Pure: probabilities of speech in, decodes out.

    audio:    ....speech..speech.......speech|commit
    lines:        [---- line 1 ----]   [-- line 2 --]

A line is speech between two pauses, a few seconds long, with a little silence around it. A line that has
ended is decoded once and its words are kept; while a line is open it is decoded again every half second of
speech, for the interims. A commit ends the open line; when all lines of the utterance have their words, it is
answered.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from local.recognizer.engines.engine import ENGINE_RATE, Failed, Final
from local.recognizer.protocol import TimedWord
from local.recognizer.voice import STEP

LANGUAGE = "en"
"""ISO 639-1, of all that is decoded."""

_ONSET = 0.5
"""Probability of speech that opens a line."""

_HOLD = 0.35
"""Probability of speech that counts as speech inside a line."""

_PAD = round(0.2 * ENGINE_RATE)
"""Samples of silence kept before and after the speech of a line."""

_SHORTEST_SPEECH = 3 * STEP
"""A line with less speech than this (96 ms) is a click or a cough, and dropped."""

_LONGEST_LINE = 12 * ENGINE_RATE
"""A line without any pause is cut at this length, at the quietest point of its last seconds."""

_QUIET_SEARCH_STEPS = 94
"""Where that quietest point is looked for: the last 3 s."""

_INTERIM_SPEECH = ENGINE_RATE // 2
"""Samples of new speech in a line after which it is decoded for an interim."""


def _pause_that_ends(line_samples: int) -> float:
    """Silence in samples that ends a line: the longer the line, the shorter a pause will do."""
    seconds = line_samples / ENGINE_RATE
    if seconds < 3:
        return 0.6 * ENGINE_RATE
    return (0.35 if seconds < 7 else 0.15) * ENGINE_RATE


@dataclass(slots=True)
class Line:
    """Some seconds of speech that are decoded together."""

    start: int
    """First sample, of the stream."""
    end: int
    """Sample after the last; moves while the line is open."""
    voiced: list[tuple[int, int]] = field(default_factory=list)
    """Spans (first sample, sample after the last) that are speech, in order."""
    text: str | None = None
    """Final text; None until it is decoded."""
    interim: str = ""
    """Text of the last decode while the line was open."""
    failure: str = ""
    """Why it could not be decoded; empty when nothing is wrong."""

    @property
    def speech_samples(self) -> int:
        """Samples of speech in it."""
        return sum(end - start for start, end in self.voiced)

    def hear_speech(self, start: int, end: int) -> None:
        """Samples start to end are speech."""
        start = max(start, self.start)
        if self.voiced and self.voiced[-1][1] == start:
            self.voiced[-1] = (self.voiced[-1][0], end)
        else:
            self.voiced.append((start, end))


@dataclass(frozen=True, slots=True)
class Decode:
    """A line whose text is wanted."""

    line: Line
    pcm: NDArray[np.int16]
    """16 kHz mono int16 of the line."""
    final: bool
    """False: the line is still open and the text is for an interim."""


@dataclass(slots=True)
class _Utterance:
    number: int
    lines: list[Line]

    @property
    def complete(self) -> bool:
        return all(line.text is not None for line in self.lines)

    def answer(self) -> Final | Failed:
        failures = [line.failure for line in self.lines if line.failure]
        if failures:
            return Failed(self.number, failures[0])
        words = tuple(word for line in self.lines for word in timed_words(line))
        return Final(self.number, words, LANGUAGE)


class Lines:
    """The lines of one stream, from its first sample to its last commit."""

    def __init__(self) -> None:
        self._audio = np.zeros(0, dtype=np.int16)
        self._base = 0
        """Stream sample of the first one in `_audio`."""
        self._looked = 0
        """Samples whose probability is known."""
        self._free_from = 0
        """A new line may not begin before this sample: it belongs to the line or utterance before."""
        self._lines: list[Line] = []
        self._open: Line | None = None
        self._probabilities: deque[float] = deque(maxlen=_QUIET_SEARCH_STEPS)
        self._interim_speech = 0
        self._committed: deque[_Utterance] = deque()

    def hear(self, pcm: NDArray[np.int16], probabilities: Sequence[float]) -> list[Decode]:
        """Take audio and the probabilities of speech of the 512-sample steps that it completed."""
        self._audio = np.concatenate([self._audio, pcm])
        decodes: list[Decode] = []
        for probability in probabilities:
            decodes += self._step(probability)
        self._forget()
        return decodes

    def commit(self, number: int) -> list[Decode]:
        """Everything heard so far is utterance `number`."""
        heard = self._base + len(self._audio)
        decodes = self._close(heard) if self._open is not None else []
        self._free_from = heard
        self._committed.append(_Utterance(number, self._lines))
        self._lines = []
        self._forget()
        return decodes

    def decoded(self, decode: Decode, text: str) -> None:
        """The text of a line is known."""
        if decode.final:
            decode.line.text = text
        elif decode.line.text is None:
            decode.line.interim = text

    def failed(self, decode: Decode, detail: str) -> None:
        """A line could not be decoded: its utterance will be answered with `Failed`."""
        if decode.final:
            decode.line.text = ""
            decode.line.failure = detail

    def interim_text(self) -> str:
        """What is known of the audio since the last commit."""
        texts = []
        for line in self._lines:
            text = line.interim if line.text is None else line.text
            if not text and line.text is None:
                break  # what follows would read as if nothing were missing
            texts.append(text)
        return " ".join(text for text in texts if text)

    @property
    def owes_answer(self) -> bool:
        """True while a commit waits for the text of its lines."""
        return bool(self._committed)

    def answers(self) -> list[Final | Failed]:
        """Answers to the commits whose lines are all decoded, in their order; each is given once."""
        ready = []
        while self._committed and self._committed[0].complete:
            ready.append(self._committed.popleft().answer())
        return ready

    def _step(self, probability: float) -> list[Decode]:
        start, end = self._looked, self._looked + STEP
        self._looked = end
        self._probabilities.append(probability)
        line = self._open
        if line is None:
            if probability >= _ONSET:
                self._begin(start)
                assert self._open is not None
                self._open.hear_speech(start, end)
            return []
        line.end = end
        if probability >= _HOLD:
            line.hear_speech(start, end)
            return self._grown(line)
        silence = end - line.voiced[-1][1]
        if silence >= _pause_that_ends(line.voiced[-1][1] - line.start):
            return self._close(min(line.voiced[-1][1] + _PAD, end))
        return []

    def _begin(self, at: int) -> None:
        start = max(self._free_from, at - _PAD, self._base)
        self._open = Line(start, at)
        self._lines.append(self._open)
        self._interim_speech = 0

    def _grown(self, line: Line) -> list[Decode]:
        if line.end - line.start >= _LONGEST_LINE:
            return self._cut_at_quietest(line)
        if line.speech_samples - self._interim_speech >= _INTERIM_SPEECH:
            self._interim_speech = line.speech_samples
            return [Decode(line, self._sound(line.start, line.end), final=False)]
        return []

    def _cut_at_quietest(self, line: Line) -> list[Decode]:
        recent = list(self._probabilities)
        steps_back = len(recent) - min(range(len(recent)), key=recent.__getitem__)
        cut = line.end - steps_back * STEP
        end, voiced = line.end, line.voiced
        line.voiced = [(a, min(b, cut)) for a, b in voiced if a < cut]
        decodes = self._close(cut)
        self._begin(cut)
        assert self._open is not None
        self._open.end = end
        self._open.voiced = [(max(a, cut), b) for a, b in voiced if b > cut]
        return decodes

    def _close(self, end: int) -> list[Decode]:
        line = self._open
        assert line is not None
        self._open = None
        line.end = end
        self._free_from = line.end
        if line.speech_samples < _SHORTEST_SPEECH:
            self._lines.remove(line)
            return []
        return [Decode(line, self._sound(line.start, line.end), final=True)]

    def _sound(self, start: int, end: int) -> NDArray[np.int16]:
        return self._audio[start - self._base : end - self._base].copy()

    def _forget(self) -> None:
        """Drop the audio that no line can need any more."""
        needed = self._open.start if self._open is not None else max(self._free_from, self._looked - _PAD)
        if needed > self._base:
            self._audio = self._audio[needed - self._base :].copy()
            self._base = needed


def timed_words(line: Line) -> list[TimedWord]:
    """The words of a line with estimated times: Moonshine tiny-en gives none.

    The line's speech, pauses left out, is shared among its words by their length in characters; each word
    begins and ends inside the voiced part of the line, and words never overlap.
    """
    texts = (line.text or "").split()
    weights = np.asarray([len(text) + 1 for text in texts], dtype=np.float64)
    if not texts:
        return []
    borders = np.concatenate([[0.0], np.cumsum(weights) / weights.sum()]) * line.speech_samples
    return [
        TimedWord(
            text,
            start=_stream_sample(line, borders[place], at_start=True) / ENGINE_RATE,
            end=_stream_sample(line, borders[place + 1], at_start=False) / ENGINE_RATE,
        )
        for place, text in enumerate(texts)
    ]


def _stream_sample(line: Line, speech_sample: float, *, at_start: bool) -> float:
    """Where in the stream a sample of a line's speech lies; at a pause: after it (at_start) or before it."""
    left = speech_sample
    for start, end in line.voiced:
        length = end - start
        if left < length or (left == length and not at_start):
            return start + left
        left -= length
    return line.voiced[-1][1]
