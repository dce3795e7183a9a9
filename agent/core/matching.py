"""Which audio of a recognizer session an answer is about: told by the words' times, not by counting.

    waiting   utterances that were sent and not answered     [ A ][   B   ][ C …
    told      utterances that were answered on this session, and how far their words reached

Recognizers' times are a little off, so a word near a border may belong to either side. An answer with words
clearly inside waiting utterances is about these, and about what lies between them (commits were merged).
Else it is about the utterance near which most of it lies: a waiting one, or a told one. In a told one, it is
a double when it lies in words that are known, or the rest when it lies behind them (the recognizer had
answered early).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agent.core.answers import Token

TOLERANCE_SECONDS = 0.3
"""How far the times of words may be off."""
CLEAR_SECONDS = 0.15
"""How far the middle of a word must lie inside an utterance to prove that it is answered."""
SHORTEST_WORD_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of audio, in seconds of audio sent on the session."""

    first: float
    last: float

    def holds(self, moment: float) -> bool:
        return self.first <= moment < self.last


@dataclass(frozen=True, slots=True)
class Waiting:
    """An answer is about these waiting utterances, both ends included."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Rest:
    """An answer is about the rest of this told utterance."""

    index: int


@dataclass(frozen=True, slots=True)
class Double:
    """An answer was told before."""


@dataclass(frozen=True, slots=True)
class Nowhere:
    """The words lie in no audio that was sent."""


def find(
    words: Sequence[Token], waiting: Sequence[Span], told: Sequence[Span], rests: Sequence[Span]
) -> Waiting | Rest | Double | Nowhere:
    """What an answer with these words is about.

    `told` are the stretches whose words are known, `rests` what follows them in their utterances.
    """
    end = max((span.last for span in (*waiting, *rests)), default=0.0)
    clear = [index for index, span in enumerate(waiting) if _reaches(words, span, end)]
    if clear:
        return Waiting(clear[0], clear[-1])
    in_waiting = [
        (_overlap(words, _widened(span)), _overlap(words, span), -index) for index, span in enumerate(waiting)
    ]
    best_waiting = max(in_waiting, default=(0.0, 0.0, 0))
    best_rest = max(((_overlap(words, span), -index) for index, span in enumerate(rests)), default=(0.0, 0))
    in_told = sum(_overlap(words, span) for span in told)
    if best_waiting[0] > 0 and best_waiting[0] >= max(best_rest[0], in_told):
        return Waiting(-best_waiting[2], -best_waiting[2])
    if best_rest[0] > in_told:
        return Rest(-best_rest[1])
    return Double() if in_told > 0 else Nowhere()


def share(tokens: Sequence[Token], spans: Sequence[Span], told: Sequence[Span]) -> list[list[Token]]:
    """Each token's utterance among those that are answered; what lies clearly in told words is left out."""
    shares: list[list[Token]] = [[] for _ in spans]
    for token in tokens:
        middle = token.middle
        if any(span.holds(middle) for span in told) and not any(
            _widened(span).holds(middle) for span in spans
        ):
            continue
        index = sum(span.first <= middle for span in spans[1:])
        shares[index].append(token)
    return shares


def _reaches(words: Sequence[Token], span: Span, end: float) -> bool:
    """True when a word lies in `span` and not near a border behind which there is other audio."""
    last = span.last if span.last >= end else span.last - CLEAR_SECONDS
    inner = Span(span.first + CLEAR_SECONDS if span.first else span.first, last)
    return any(inner.holds(word.middle) for word in words)


def _widened(span: Span) -> Span:
    return Span(span.first - TOLERANCE_SECONDS, span.last + TOLERANCE_SECONDS)


def _overlap(words: Sequence[Token], span: Span) -> float:
    """Seconds of `words` that lie in `span`."""
    total = 0.0
    for word in words:
        end = max(word.end, word.start + SHORTEST_WORD_SECONDS)
        total += max(0.0, min(end, span.last) - max(word.start, span.first))
    return total
