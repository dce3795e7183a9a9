"""The engine for tests and measurements: it hears marked speech, exactly and at once.

What it answers depends only on the audio of its connection, never on earlier connections: known audio in,
known words with exact times out. Its cost is about a thousandth of a core per talking speaker.
"""

from __future__ import annotations

import asyncio

import numpy as np
from numpy.typing import NDArray

from local.marked_decoder import DecodedWord, Decoder
from local.recognizer.engines.engine import ENGINE_RATE, Emit, Final, Interim
from local.recognizer.protocol import TimedWord


class ScriptedEngine:
    """Recognizes marked speech (`local/marked_speech.py`); hears nothing in any other sound."""

    name = "scripted"

    def __init__(self, answer_delay_seconds: float = 0.05) -> None:
        self._answer_delay_seconds = answer_delay_seconds

    def load(self) -> None:
        """Nothing to get ready."""

    def open(self, language: str | None, emit: Emit) -> ScriptedStream:
        """Begin a session; must be called on a running event loop."""
        return ScriptedStream(language or "en", emit, self._answer_delay_seconds)

    def close(self) -> None:
        """Nothing to free."""


class ScriptedStream:
    """One session: an `Interim` as soon as a word is complete, a `Final` a fixed delay after the commit."""

    def __init__(self, language: str, emit: Emit, answer_delay_seconds: float) -> None:
        self._language = language
        self._emit = emit
        self._answer_delay_seconds = answer_delay_seconds
        self._loop = asyncio.get_running_loop()
        self._decoder = Decoder()
        self._words: list[TimedWord] = []
        self._timers: dict[int, asyncio.TimerHandle] = {}

    def hear(self, pcm: NDArray[np.int16]) -> None:
        """Take 16 kHz mono int16 audio."""
        heard = self._decoder.feed(pcm)
        if heard:
            self._words += (_timed(word) for word in heard)
            self._emit(Interim(" ".join(word.text for word in self._words)))

    def commit(self, number: int) -> None:
        """Answer with the words that are complete; one that has only begun belongs to the next utterance."""
        final = Final(number, tuple(self._words), self._language)
        self._words = []
        self._timers[number] = self._loop.call_later(self._answer_delay_seconds, self._answer, final)

    def close(self) -> None:
        """Cancel the answers that are still due."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _answer(self, final: Final) -> None:
        del self._timers[final.number]
        self._emit(final)


def _timed(word: DecodedWord) -> TimedWord:
    return TimedWord(word.text, word.start_sample / ENGINE_RATE, word.end_sample / ENGINE_RATE)
