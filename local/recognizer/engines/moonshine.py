"""The engine for people: Moonshine tiny-en, an English speech model that comes inside the wheel (MIT).

Word times are estimated: the model gives none, so the words of a line are spread over its voiced part by
their length. Each word lies inside speech, but may be some tenths of a second off.
"""

from __future__ import annotations

import asyncio
from collections import deque

import numpy as np
from numpy.typing import NDArray

from agent.errors import LocalPartError
from local.recognizer.engines.engine import Emit, Interim
from local.recognizer.engines.lanes import Lanes
from local.recognizer.engines.lines import Decode, Lines
from local.recognizer.voice import VoiceDetector

_TURN_SAMPLES = 16_000
"""Audio looked at in one turn of the event loop, about 6 ms of computing; a longer chunk takes several."""


class _Model:
    """One loaded model; the native library is not shared between threads."""

    def __init__(self) -> None:
        try:
            from moonshine_voice.moonshine_api import ModelArch  # noqa: PLC0415 - an optional extra
            from moonshine_voice.transcriber import Transcriber  # noqa: PLC0415
            from moonshine_voice.utils import get_model_path  # noqa: PLC0415
        except ImportError as cause:
            raise LocalPartError(
                "the moonshine engine needs moonshine-voice==0.0.73 (later ones bring no model): "
                "pip install 'interview-transcription[local]', or use --engine scripted"
            ) from cause
        path = get_model_path("tiny-en")
        # The library's own cutting into lines is off (threshold 0): `lines.py` does that, with kept results.
        self._transcriber = Transcriber(path, ModelArch.TINY, options={"vad_threshold": "0.0"})

    def text_of(self, pcm: NDArray[np.int16]) -> str:
        from moonshine_voice.errors import MoonshineError  # noqa: PLC0415

        samples = (pcm.astype(np.float32) / 32768).tolist()
        try:
            transcript = self._transcriber.transcribe_without_streaming(samples, 16_000)
        except MoonshineError as cause:
            raise LocalPartError(f"moonshine could not decode {len(pcm)} samples: {cause}") from cause
        return " ".join(line.text.strip() for line in transcript.lines).strip()

    def close(self) -> None:
        self._transcriber.close()


class MoonshineEngine:
    """Recognizes English speech on this machine."""

    name = "moonshine"

    def __init__(self) -> None:
        self._lanes: Lanes | None = None

    def load(self) -> None:
        """Load the model, once for each lane; about half a second.

        Raises:
            LocalPartError: moonshine-voice is not installed, or has no model.
        """
        VoiceDetector()
        self._lanes = Lanes(_Model)

    def open(self, language: str | None, emit: Emit) -> MoonshineStream:
        """Begin a session; the model knows English only, whatever `language` says."""
        if self._lanes is None:
            raise LocalPartError("the moonshine engine was not loaded")
        return MoonshineStream(self._lanes, emit)

    def close(self) -> None:
        """End the lanes."""
        if self._lanes is not None:
            self._lanes.close()
            self._lanes = None


class MoonshineStream:
    """One session. All of it runs on the event loop except the decoding."""

    def __init__(self, lanes: Lanes, emit: Emit) -> None:
        self._lanes = lanes
        self._emit = emit
        self._loop = asyncio.get_running_loop()
        self._voice = VoiceDetector()
        self._lines = Lines()
        self._waiting: deque[NDArray[np.int16] | int] = deque()
        self._turn: asyncio.Handle | None = None
        self._shown = ""
        self._closed = False

    def hear(self, pcm: NDArray[np.int16]) -> None:
        """Take 16 kHz mono int16 audio."""
        self._waiting += (pcm[at : at + _TURN_SAMPLES] for at in range(0, len(pcm), _TURN_SAMPLES))
        self._work()

    def commit(self, number: int) -> None:
        """Answer when all of the utterance is decoded."""
        self._waiting.append(number)
        self._work()

    def close(self) -> None:
        """Forget what is under way."""
        self._closed = True
        self._waiting.clear()
        self._lanes.forget(self)
        if self._turn is not None:
            self._turn.cancel()

    def _work(self) -> None:
        if self._turn is None and not self._closed:
            self._take_turn()

    def _take_turn(self) -> None:
        """Look at one piece of what is waiting; leave the rest to the next turn of the loop."""
        self._turn = None
        item = self._waiting.popleft()
        if isinstance(item, int):
            decodes = self._lines.commit(item)
            self._shown = ""
        else:
            decodes = self._lines.hear(item, self._voice.feed(item))
        for decode in decodes:
            self._decode(decode)
        self._answer()
        if self._waiting:
            self._turn = self._loop.call_soon(self._take_turn)

    def _decode(self, decode: Decode) -> None:
        def done(outcome: str | LocalPartError) -> None:
            self._loop.call_soon_threadsafe(self._decoded, decode, outcome)

        if decode.final:
            try:
                self._lanes.final(decode.pcm, done)
            except LocalPartError as error:
                self._lines.failed(decode, str(error))
        else:
            self._lanes.interim(self, decode.pcm, done)

    def _decoded(self, decode: Decode, outcome: str | LocalPartError) -> None:
        if self._closed:
            return
        if isinstance(outcome, LocalPartError):
            self._lines.failed(decode, str(outcome))
        else:
            self._lines.decoded(decode, outcome)
        self._answer()
        self._show()

    def _answer(self) -> None:
        for answer in self._lines.answers():
            self._emit(answer)

    def _show(self) -> None:
        """Emit a new interim; not before the utterance before it is answered, which a reader would mix up."""
        text = self._lines.interim_text()
        if text and text != self._shown and not self._lines.owes_answer and not self._closed:
            self._shown = text
            self._emit(Interim(text))
