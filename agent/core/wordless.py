"""Speech that the recognizer answers with no word, for so long that something must be wrong.

A wrong language, a broken microphone, encrypted audio or a recognizer that returns empty texts all look like
this: people speak, and nothing is written. A cough looks like it too, once, and does not count.

    wordless speech   ####  ######  ########   ....   ########
    seconds in a row    3       8         15           22
                                          degraded    ^ a word: listening
"""

from __future__ import annotations

import re

from agent.core.model import State

RUN_SECONDS = 10.0
"""Speech in a row without a word from which on readers are told."""
COUGH_SECONDS = 0.6
"""A sound that is no longer than this is not taken for speech that should have had a word."""
PAUSE_SECONDS = 60.0
"""Wordless speech further apart than this is not in a row: a listener clears the throat now and then."""
UNANSWERED_SECONDS = 12.0
"""A stretch of speech that is longer, and followed by no text at all, counts before it is answered."""
_MEASURED = 0.5
"""Seconds by which the voice detector may see speech as shorter than it was."""
_EVENT = re.compile(r"\([^()]*\)|\[[^\[\]]*\]")
"""What is heard and not said: (laughter), [music]."""


def has_words(text: str) -> bool:
    """True when `text` holds a letter or digit that somebody said: `(laughter)` and `…` do not."""
    return any(sign.isalnum() for sign in _EVENT.sub("", text))


class Wordless:
    """One track's run of speech without a word. Times are seconds of the track."""

    def __init__(self, padding_seconds: float, *, told: bool = False) -> None:
        """`padding_seconds`: silence in every utterance. `told`: readers know of it from an earlier track."""
        self._padding_seconds = padding_seconds
        self.told = told
        """Readers know that speech has no words."""
        self._run = 0.0
        self._until = float("-inf")

    def word(self) -> State | None:
        """A word came. Returns LISTENING when that takes back what readers were told."""
        self._run = 0.0
        was_told, self.told = self.told, False
        return State.LISTENING if was_told else None

    def answered(self, start: float, end: float) -> State | None:
        """An utterance was answered without a word. Returns DEGRADED when that is worth a status."""
        seconds = end - start - self._padding_seconds
        if seconds <= COUGH_SECONDS:
            return None
        if start - self._until > PAUSE_SECONDS:
            self._run = 0.0
        self._run += seconds
        self._until = end
        return self.unanswered() if self._run >= RUN_SECONDS - _MEASURED else None

    def unanswered(self) -> State | None:
        """Speech of `UNANSWERED_SECONDS` has had no text at all. Returns DEGRADED unless readers know."""
        was_told, self.told = self.told, True
        return None if was_told else State.DEGRADED
