"""Threads that decode: finals first, interims when there is room.

    lane "final":    finals only
    lane "any":      finals first, else the newest interim of the stream that has waited longest

So a final never waits for an interim, and a stream's interim that is overtaken by a newer one is skipped.
After each interim the lane rests as long as the decode took: interims have at most half of its time, and as a
busy machine decodes more slowly, they become rarer there by themselves.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from agent.errors import LocalPartError

log = logging.getLogger(__name__)

_MAX_FINALS = 1_000
"""Finals that may wait; more are failed at once."""


class Decoder(Protocol):
    """Turns the audio of one line into text. Used by one thread only."""

    def text_of(self, pcm: NDArray[np.int16]) -> str:
        """Decode 16 kHz mono int16; blocks.

        Raises:
            LocalPartError: the model failed.
        """

    def close(self) -> None:
        """Free the model."""


Done = Callable[[str | LocalPartError], None]
"""Called in the lane's thread with the text, or with what went wrong."""


@dataclass(frozen=True, slots=True)
class _Work:
    pcm: NDArray[np.int16]
    done: Done


def _as_failure(error: Exception) -> LocalPartError:
    """What the caller is given; a fault that no decoder announces is logged with its traceback."""
    if isinstance(error, LocalPartError):
        return error
    log.error("a line could not be decoded", exc_info=error)
    return LocalPartError(f"the engine failed: {type(error).__name__}")


class Lanes:
    """The two threads of one engine."""

    def __init__(self, make_decoder: Callable[[], Decoder]) -> None:
        self._ready = threading.Condition()
        self._finals: deque[_Work] = deque()
        self._interims: dict[object, _Work] = {}
        self._closed = False
        decoders = [make_decoder(), make_decoder()]
        self._threads = [
            threading.Thread(target=self._run, args=(decoder, takes_interims), name=name, daemon=True)
            for decoder, takes_interims, name in zip(
                decoders, (False, True), ("recognizer finals", "recognizer interims"), strict=True
            )
        ]
        for thread in self._threads:
            thread.start()

    def final(self, pcm: NDArray[np.int16], done: Done) -> None:
        """Decode a line that has ended; before any interim, in the order of the calls.

        Raises:
            LocalPartError: too many are waiting.
        """
        with self._ready:
            if len(self._finals) >= _MAX_FINALS:
                raise LocalPartError(f"{_MAX_FINALS} lines wait to be decoded; this machine is too slow")
            self._finals.append(_Work(pcm, done))
            self._ready.notify_all()

    def interim(self, stream: object, pcm: NDArray[np.int16], done: Done) -> None:
        """Decode an open line when there is room; replaces what this stream asked before."""
        with self._ready:
            self._interims[stream] = _Work(pcm, done)
            self._ready.notify_all()

    def forget(self, stream: object) -> None:
        """Drop the interim of a stream that has ended."""
        with self._ready:
            self._interims.pop(stream, None)

    def close(self) -> None:
        """End the threads; a decode that runs is waited for."""
        with self._ready:
            self._closed = True
            self._finals.clear()
            self._interims.clear()
            self._ready.notify_all()
        for thread in self._threads:
            thread.join()

    def _run(self, decoder: Decoder, takes_interims: bool) -> None:
        rest_until = 0.0
        while True:
            work, is_interim = self._take(takes_interims, rest_until)
            if work is None:
                decoder.close()
                return
            begin = time.monotonic()
            try:
                outcome: str | LocalPartError = decoder.text_of(work.pcm)
            except Exception as error:  # noqa: BLE001 - the boundary
                outcome = _as_failure(error)
            if is_interim:
                rest_until = time.monotonic() + (time.monotonic() - begin)
            with suppress(RuntimeError):  # the event loop of whoever asked is closed
                work.done(outcome)

    def _take(self, takes_interims: bool, rest_until: float) -> tuple[_Work | None, bool]:
        """Wait for the next work and say whether it is an interim; None when all is over."""
        with self._ready:
            while not self._closed:
                if self._finals:
                    return self._finals.popleft(), False
                rest = rest_until - time.monotonic()
                if takes_interims and self._interims and rest <= 0:
                    return self._interims.pop(next(iter(self._interims))), True
                self._ready.wait(rest if takes_interims and self._interims else None)
            return None, False
