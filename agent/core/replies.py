"""What one recognizer session has said so far: what is known already, and what does not say its place.

Answers with times are told apart by the audio they cover (`matching`). Answers without times (an empty one,
a copy whose times were lost) can only be counted, and counting goes wrong when an answer was lost. So they
are taken only when there are as many as utterances wait for them; else those are sent again in time.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from agent.core.answers import Answer
from agent.core.matching import Span
from agent.core.utterance import Utterance

PLAIN_WAIT_SECONDS = 1.0
"""How long a copy without times waits for its copy with times."""
REMEMBERED = 64
"""Answered utterances of a session that are remembered to tell late doubles."""


@dataclass(slots=True)
class _Told:
    utterance: Utterance
    covered: float
    """Session seconds up to which its words are known."""


@dataclass(frozen=True, slots=True)
class _Placeless:
    answer: Answer
    due: float
    """Room time at which it may be taken."""
    final: bool
    """False for a copy whose better copy may still come."""


class Replies:
    """The answers of one session."""

    def __init__(self) -> None:
        self._told: deque[_Told] = deque(maxlen=REMEMBERED)
        self._known: deque[Answer] = deque(maxlen=REMEMBERED)
        self._placeless: list[_Placeless] = []
        self._taken_plain: list[str] = []

    @property
    def last_text(self) -> str:
        """The text of the last answer; empty when there was none."""
        return self._known[-1].text if self._known else ""

    @property
    def told(self) -> list[Span]:
        """The stretches of the session whose words are known."""
        return [Span(one.utterance.span().first, one.covered) for one in self._told]

    @property
    def rests(self) -> list[Span]:
        """What follows the known words in the same utterances."""
        return [Span(one.covered, max(one.covered, one.utterance.span().last)) for one in self._told]

    def tell(self, utterance: Utterance, covered: float, answer: Answer | None) -> None:
        """`utterance` has left the ledger: answered by `answer`, or given up (None).

        `covered` says up to where its words are known, in session seconds.
        """
        self._told.append(_Told(utterance, max(covered, utterance.span().first)))
        if answer is None:
            self._placeless.clear()  # counting them would give another's answer to the next one
        else:
            self._know(answer)

    def tell_rest(self, index: int, covered: float, answer: Answer) -> Utterance:
        """More of the utterance of `rests[index]` is known; returns it."""
        told = self._told[index]
        told.covered = max(told.covered, covered)
        self._know(answer)
        return told.utterance

    def is_copy(self, answer: Answer) -> bool:
        """True when exactly this answer has come before, or was taken without its times, which come now."""
        if answer.text in self._taken_plain:
            self._taken_plain.remove(answer.text)
            self._know(answer)
            return True
        return answer in self._known

    def keep_plain(self, text: str, now: float) -> None:
        """A copy without times came; a double of an earlier answer is forgotten.

        Somebody may say the same again, but then the copy with times is enough, or the audio is sent again.
        """
        if not self._is_known_text(text):
            self._placeless.append(_Placeless(Answer(text), now + PLAIN_WAIT_SECONDS, final=False))

    def keep_final(self, answer: Answer, now: float) -> None:
        """An answer without times came, and no better copy of it will; two empty ones may be two answers."""
        self._forget_plain(answer.text)
        if not answer.text.strip() or not self._is_known_text(answer.text):
            self._placeless.append(_Placeless(answer, now, final=True))

    def due(self, awaited: int) -> float | None:
        """Room time at which `take` has something for `awaited` utterances; None: never, as it stands."""
        if not awaited or len(self._placeless) < awaited:
            return None
        return max(one.due for one in self._placeless[-awaited:])

    def take(self, awaited: int, now: float) -> list[Answer]:
        """An answer for each of the `awaited` utterances, in order, or none at all."""
        due = self.due(awaited)
        if due is None or now < due:
            return []
        return self._take(self._placeless[-awaited:])

    def take_older(self, answer: Answer, older: int) -> list[Answer]:
        """`answer` has a place, so what came before it is about the `older` utterances: all, or unknown."""
        self._forget_plain(answer.text)
        return self._take(self._placeless if len(self._placeless) == older else [])

    def _take(self, taken: list[_Placeless]) -> list[Answer]:
        self._placeless = []
        self._taken_plain += [one.answer.text for one in taken if not one.final]
        return [one.answer for one in taken]

    def _know(self, answer: Answer) -> None:
        self._known.append(answer)
        self._forget_plain(answer.text)

    def _is_known_text(self, text: str) -> bool:
        waiting = (one.answer for one in self._placeless)
        return any(one.text == text for one in (*self._known, *waiting))

    def _forget_plain(self, text: str) -> None:
        """The copy with times has come."""
        self._placeless = [one for one in self._placeless if one.final or one.answer.text != text]
