"""What a recognizer engine is: audio in, partial texts and final words out.

An engine is one per server and serves many sessions; a stream is one per session. All calls are made on the
event loop and return at once; an engine that computes does so in threads of its own. Events come back by
calling `emit` on the event loop.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from local.recognizer.protocol import TimedWord

ENGINE_RATE = 16_000
"""Hz, of the audio that engines hear; the server resamples."""


@dataclass(frozen=True, slots=True)
class Interim:
    """A new text for the audio since the last commit."""

    text: str


@dataclass(frozen=True, slots=True)
class Final:
    """The final words of one commit."""

    number: int
    """The number that `commit` was given."""
    words: tuple[TimedWord, ...]
    """Empty when nothing was said. Times are seconds of audio heard since the stream was opened."""
    language: str
    """ISO 639-1."""


@dataclass(frozen=True, slots=True)
class Failed:
    """One commit could not be answered."""

    number: int
    detail: str
    """One sentence for a person."""


EngineEvent = Interim | Final | Failed
Emit = Callable[[EngineEvent], None]


class EngineStream(Protocol):
    """The engine's side of one session."""

    def hear(self, pcm: NDArray[np.int16]) -> None:
        """Take more audio: 16 kHz mono int16, shape (n,), n > 0."""

    def commit(self, number: int) -> None:
        """Everything heard so far is one utterance; a `Final` or `Failed` with this number follows."""

    def close(self) -> None:
        """Forget the stream; nothing is emitted after this. Safe to call twice."""


class Engine(Protocol):
    """A way to recognize speech."""

    @property
    def name(self) -> str:
        """As in the registry and in GET /health."""

    def load(self) -> None:
        """Get ready; may block for seconds. Called once, before the first stream, in a thread.

        Raises:
            LocalPartError: a part is missing; the message says what to do.
        """

    def open(self, language: str | None, emit: Emit) -> EngineStream:
        """Begin a session. `language` is ISO 639 or None when the client gave none."""

    def close(self) -> None:
        """Free everything. No stream is open any more. Safe to call twice."""
