"""What a recognizer says about the audio of one commit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite


@dataclass(frozen=True, slots=True)
class Token:
    """One piece of an answer, with times in seconds of audio sent on the session."""

    text: str
    start: float
    end: float
    spacing: bool = False
    """True for what stands between words."""

    @property
    def middle(self) -> float:
        """The time by which it belongs to an utterance."""
        return (self.start + self.end) / 2


@dataclass(frozen=True, slots=True)
class Answer:
    """What the recognizer made of one commit."""

    text: str
    tokens: tuple[Token, ...] = ()
    """Empty when it gave no times."""
    language: str = ""
    confidence: float | None = None

    @property
    def words(self) -> tuple[Token, ...]:
        """The tokens that are words."""
        return tuple(token for token in self.tokens if not token.spacing and token.text.strip())

    @property
    def timed(self) -> bool:
        """True when there are words, and it says where each of them lies."""
        words = self.words
        return bool(words) and all(isfinite(word.start) and isfinite(word.end) for word in words)

    def part(self, tokens: Sequence[Token]) -> Answer:
        """The same answer with some of its tokens; its text is theirs."""
        if len(tokens) == len(self.tokens):
            return self
        between = "" if any(token.spacing for token in self.tokens) else " "
        text = between.join(token.text for token in tokens).strip()
        return Answer(text, tuple(tokens), self.language, self.confidence)
