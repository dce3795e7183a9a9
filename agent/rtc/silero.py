"""Silero voice activity detection: one model a process, one small state a track.

The plugin's own stream hops to a thread for every 32 ms; one inference takes about 0.17 ms, less than the
hop, so here it is called in line, in the track's own task.
"""

from __future__ import annotations

import numpy as np
from livekit.plugins.silero.onnx_model import OnnxModel, new_inference_session
from numpy.typing import NDArray

from agent.core.model import SAMPLE_RATE

INAUDIBLE = 8
"""No sample beyond this (-72 dBFS): silence without asking the model, once it has settled."""
SETTLE_WINDOWS = 64
"""Two seconds of silence, after which the model's state has come to rest (probabilities of the speech that
follows change by less than 0.04, measured); skipped earlier it is frozen in mid word and misses onsets."""


class SileroModel:
    """The loaded network; shared by all tracks of a process."""

    def __init__(self) -> None:
        self._session = new_inference_session(force_cpu=True)

    def detector(self) -> Detector:
        """A fresh state for one track."""
        return Detector(OnnxModel(onnx_session=self._session, sample_rate=SAMPLE_RATE))


class Detector:
    """Probabilities of speech for one track, one for each 512 samples (32 ms)."""

    def __init__(self, network: OnnxModel) -> None:
        self._network = network
        self._window = network.window_size_samples
        self._silent_windows = 0
        self._rest: NDArray[np.float32] = np.empty(0, np.float32)

    def feed(self, pcm: bytes) -> tuple[list[float], float]:
        """Probabilities of the windows that `pcm` (PCM16 mono 16 kHz) completes, and its RMS (0..32768)."""
        samples = np.frombuffer(pcm, np.int16)
        audible = bool(samples.size) and max(int(samples.max()), -int(samples.min())) > INAUDIBLE
        scaled = samples.astype(np.float32)
        level = float(np.sqrt(np.dot(scaled, scaled) / max(scaled.size, 1)))
        waiting = np.concatenate((self._rest, scaled / np.float32(32767)))
        probabilities = []
        for start in range(0, waiting.size - self._window + 1, self._window):
            self._silent_windows = 0 if audible else self._silent_windows + 1
            settled = self._silent_windows > SETTLE_WINDOWS
            window = waiting[start : start + self._window]
            probabilities.append(0.0 if settled else float(self._network(window)))
        self._rest = waiting[len(probabilities) * self._window :]
        return probabilities, level
