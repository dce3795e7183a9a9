"""The server's own end-of-speech detection (commit_strategy=vad), on the plugin's Silero model."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from local.recognizer.engines.engine import ENGINE_RATE
from local.recognizer.protocol import SessionConfig

STEP = 512
"""Samples of 16 kHz audio per probability, 32 ms."""

_CONTEXT = 64
"""Samples of the step before that the model sees again."""

STEP_SECONDS = STEP / ENGINE_RATE


@lru_cache(maxsize=1)
def _model() -> Any:
    options = onnxruntime.SessionOptions()
    options.inter_op_num_threads = 1
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # The file alone: importing the plugin would load all of livekit-agents.
    path = (
        files("livekit")
        .joinpath("plugins")
        .joinpath("silero")
        .joinpath("resources")
        .joinpath("silero_vad.onnx")
    )
    return onnxruntime.InferenceSession(
        path.read_bytes(), providers=["CPUExecutionProvider"], sess_options=options
    )


class VoiceDetector:
    """Probability of speech for every 32 ms of one stream; 0.2 ms of computing each."""

    def __init__(self) -> None:
        self._model = _model()
        self._state = np.zeros((2, 1, 128), dtype=np.float32)
        self._context: NDArray[np.float32] = np.zeros((1, _CONTEXT), dtype=np.float32)
        self._rest = np.zeros(0, dtype=np.int16)

    def feed(self, pcm: NDArray[np.int16]) -> list[float]:
        """Take 16 kHz mono int16, any length; give the probabilities of the steps that it completed."""
        audio = np.concatenate([self._rest, pcm])
        steps = len(audio) // STEP
        self._rest = audio[steps * STEP :]
        return [self._probability(audio[at * STEP : (at + 1) * STEP]) for at in range(steps)]

    def _probability(self, step: NDArray[np.int16]) -> float:
        samples = step.astype(np.float32)[None, :] / np.float32(32768)
        probability, self._state = self._model.run(
            None,
            {
                "input": np.concatenate([self._context, samples], axis=1),
                "state": self._state,
                "sr": np.array(ENGINE_RATE, dtype=np.int64),
            },
        )
        self._context = samples[:, -_CONTEXT:]
        return float(probability.item())


class Endpointing:
    """When an utterance is over: speech of some length, then silence of some length. Pure."""

    def __init__(self, config: SessionConfig) -> None:
        self._threshold = config.vad_threshold
        self._speech_seconds_needed = config.min_speech_duration_ms / 1000
        self._pause_seconds = config.min_silence_duration_ms / 1000
        self._silence_seconds_needed = config.vad_silence_threshold_secs
        self._speech_seconds = 0.0
        self._silence_seconds = 0.0

    def step(self, probability: float) -> bool:
        """32 ms of audio have passed. True when they end an utterance."""
        if probability >= self._threshold:
            self._speech_seconds += STEP_SECONDS
            self._silence_seconds = 0.0
            return False
        self._silence_seconds += STEP_SECONDS
        spoken = self._speech_seconds >= self._speech_seconds_needed
        if not spoken and self._silence_seconds >= self._pause_seconds:
            self._speech_seconds = 0.0
        if spoken and self._silence_seconds >= self._silence_seconds_needed:
            self._speech_seconds = 0.0
            return True
        return False


class Endpointer:
    """Hears the end of utterances in one stream."""

    def __init__(self, config: SessionConfig) -> None:
        self._detector = VoiceDetector()
        self._endpointing = Endpointing(config)

    def speech_ended(self, pcm: NDArray[np.int16]) -> bool:
        """Take more audio; True when an utterance has ended in it."""
        ends = [self._endpointing.step(probability) for probability in self._detector.feed(pcm)]
        return any(ends)
