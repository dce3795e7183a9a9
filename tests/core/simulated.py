"""A talker whose audio says which word it is, and a recognizer that misbehaves on command; both pure.

Each sample of a word has the word's number as its value, silence is 0: so a test can tell from any stretch
of audio which words it holds, how much of each, and where.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from agent.core.ledger import Answer, Token
from agent.core.model import SAMPLE_RATE


@dataclass(frozen=True)
class Spoken:
    """One word of the talker."""

    number: int
    """1..32767, unique in a test."""
    start: int
    """Its first sample in the track."""
    samples: int

    @property
    def end(self) -> int:
        return self.start + self.samples

    @property
    def text(self) -> str:
        return f"w{self.number}"


def audio_of(words: Iterable[Spoken], samples: int) -> NDArray[np.int16]:
    """A track of so many samples with these words in it."""
    audio = np.zeros(samples, np.int16)
    for word in words:
        audio[word.start : word.end] = word.number
    return audio


@dataclass(frozen=True)
class Say:
    """One message of the recognizer: a copy without times, or an answer with times."""

    answer: Answer
    plain: bool = False


@dataclass
class Fate:
    """What happens to one commit."""

    kind: str = "ok"
    """ok, no_plain, no_times, lost, merged (commit ignored), doubled (both copies twice)."""
    off_seconds: float = 0.0
    """How far the words' times are off."""


@dataclass
class SimulatedSession:
    """One connection: answers commits in order, and hears a word when more than half of it is there."""

    lengths: dict[int, int]
    """Samples of each word."""
    heard: list[NDArray[np.int16]] = field(default_factory=list)
    committed: int = 0
    """Samples that are answered, or will be."""
    says: deque[Say] = field(default_factory=deque)
    """What is on its way to the listener, in order."""

    @property
    def samples(self) -> int:
        return sum(piece.size for piece in self.heard)

    def send(self, pcm: bytes) -> None:
        self.heard.append(np.frombuffer(pcm, np.int16))

    def commit(self, fate: Fate) -> None:
        """Answer all that was sent since the last commit."""
        if fate.kind == "merged":
            return
        answer = self._listen(fate.off_seconds)
        if not answer.text and fate.kind.startswith("doubled"):
            fate = Fate("ok")  # nothing could tell the double of an empty answer
        copies = [Say(Answer(answer.text), plain=True), Say(answer)]
        match fate.kind:
            case "ok":
                self.says.extend(copies)
            case "no_plain":
                self.says.append(copies[1])
            case "no_times":
                self.says.append(copies[0])
            case "doubled":
                self.says.extend([*copies, *copies])
            case "doubled_inside_out":
                self.says.extend([copies[0], copies[0], copies[1], copies[1]])

    def text(self) -> str:
        """What it makes of the audio since the last commit, so far."""
        return self._hear(0.0).text

    def has_words(self) -> bool:
        return bool(self.text())

    def _listen(self, off_seconds: float) -> Answer:
        answer = self._hear(off_seconds)
        self.committed = self.samples
        return answer

    def _hear(self, off_seconds: float) -> Answer:
        fresh = np.concatenate([*self.heard, np.zeros(0, np.int16)])[self.committed :]
        tokens: list[Token] = []
        for number, first, last in _runs(fresh):
            if 2 * (last - first) > self.lengths[number]:
                start = (self.committed + first) / SAMPLE_RATE + off_seconds
                end = (self.committed + last) / SAMPLE_RATE + off_seconds
                if tokens:
                    tokens.append(Token(" ", tokens[-1].end, start, spacing=True))
                tokens.append(Token(f"w{number}", start, end))
        return Answer("".join(token.text for token in tokens), tuple(tokens), "en")


def _runs(audio: NDArray[np.int16]) -> list[tuple[int, int, int]]:
    """Stretches of one word: (number, first sample, sample after the last)."""
    if not audio.size:
        return []
    edges = np.flatnonzero(np.diff(audio)) + 1
    firsts = [0, *edges.tolist()]
    lasts = [*edges.tolist(), audio.size]
    return [
        (int(audio[first]), first, last) for first, last in zip(firsts, lasts, strict=True) if audio[first]
    ]
