"""Silero voice activity detection: one model a process, one small state a track.

The plugin's own stream hops to a thread for every 32 ms; one inference takes about 0.17 ms, less than the
hop, so here it is called in line, in the track's own task. Silence goes to the model as well: skipped, even
after seconds of it, the state is another one and the next onset is judged differently (measured: by 0.2).
"""

from __future__ import annotations

from functools import cache

import numpy as np
from livekit.plugins.silero.onnx_model import OnnxModel, new_inference_session
from numpy.typing import NDArray

from agent.core.model import SAMPLE_RATE


class SileroModel:
    """The loaded network; shared by all tracks of a process, also between threads. See `load_model`."""

    def __init__(self) -> None:
        self._session = new_inference_session(force_cpu=True)

    def detector(self) -> Detector:
        """A fresh state for one track."""
        return Detector(OnnxModel(onnx_session=self._session, sample_rate=SAMPLE_RATE))


@cache
def load_model() -> SileroModel:
    """The one model of this process, loaded by the first call (0.1 s)."""
    return SileroModel()


class Detector:
    """Probabilities of speech for one track, one for each 512 samples (32 ms)."""

    def __init__(self, network: OnnxModel) -> None:
        self._network = network
        self._window = network.window_size_samples
        self._rest: NDArray[np.float32] = np.empty(0, np.float32)

    def feed(self, pcm: bytes) -> tuple[list[float], float]:
        """Probabilities of the windows that `pcm` (PCM16 mono 16 kHz) completes, and its RMS (0..32768)."""
        samples = np.frombuffer(pcm, np.int16)
        scaled = samples.astype(np.float32)
        level = float(np.sqrt(np.dot(scaled, scaled) / max(scaled.size, 1)))
        waiting = np.concatenate((self._rest, scaled / np.float32(32767)))
        probabilities = []
        for start in range(0, waiting.size - self._window + 1, self._window):
            probabilities.append(float(self._network(waiting[start : start + self._window])))
        self._rest = waiting[len(probabilities) * self._window :]
        return probabilities, level
