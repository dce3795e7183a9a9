"""Silero voice activity detection: one model a process, one small state a track.

The plugin's own stream hops to a thread for every 32 ms; one inference takes about 0.17 ms, less than the
hop, so here it is called in line, in the track's own task. Silence goes to the model as well: skipped, even
after seconds of it, the state is another one and the next onset is judged differently (measured: by 0.2).

The network can go deaf: in a state that a cut in the sound has left behind it calls loud speech noise, for
seconds or for good. Measured: 7 of 278 starts in the middle of speech. So each detector hears a moment of
silence first (then none of 278), and when long loudness is no speech to it, a fresh state that heard the
quietest moment of late goes on. The pre-roll holds what was missed meanwhile.
"""

from __future__ import annotations

from collections import deque
from functools import cache

import numpy as np
from livekit.plugins.silero.onnx_model import OnnxModel, new_inference_session
from numpy.typing import NDArray

from agent.core.model import SAMPLE_RATE

PRIMING_WINDOWS = 8
"""Windows of 32 ms that a fresh state hears first."""
DEAF_WINDOWS = 16
"""Whether a state is deaf is seen in the last 0.5 s: as long as the pre-roll."""
LOOK_WINDOWS = 4
"""How often it is looked."""
HEARD_WINDOWS = 2
"""No more of them were speech."""
LOUD_WINDOWS = 8
"""So many of them were loud; a state that is not deaf hears speech within three."""
LOUD_POWER = 9.0
"""Times the power of the quietest moment: three times its level."""
LEAST_POWER = (800 / 32767) ** 2
"""Of full scale; nothing below is called loud. A voice is; breath and a room's noise in pauses are not."""
REMEMBERED_WINDOWS = 94
"""3 s, in which the quietest moment is sought."""
SPEECH = 0.35
"""Probability from which a state is not deaf: where Silero lets speech go on."""

Window = NDArray[np.float32]
"""Shape (512,), -1..1."""


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
        self._rest: Window = np.empty(0, np.float32)
        self._recent: deque[tuple[Window, float, bool]] = deque(maxlen=REMEMBERED_WINDOWS)
        """Window, its power (1 is full scale), whether it was speech."""
        self._until_look = DEAF_WINDOWS
        self._prime([np.zeros(self._window, np.float32)] * PRIMING_WINDOWS)

    def feed(self, pcm: bytes) -> tuple[list[float], float]:
        """Probabilities of the windows that `pcm` (PCM16 mono 16 kHz) completes, and its RMS (0..32768)."""
        samples = np.frombuffer(pcm, np.int16)
        scaled = samples.astype(np.float32)
        level = float(np.sqrt(np.dot(scaled, scaled) / max(scaled.size, 1)))
        waiting = np.concatenate((self._rest, scaled / np.float32(32767)))
        probabilities = []
        for start in range(0, waiting.size - self._window + 1, self._window):
            probabilities.append(self._judge(waiting[start : start + self._window]))
        self._rest = waiting[len(probabilities) * self._window :]
        return probabilities, level

    def _judge(self, window: Window) -> float:
        probability = float(self._network(window))
        power = float(np.dot(window, window)) / self._window
        self._recent.append((window, power, probability >= SPEECH))
        self._until_look -= 1
        if self._until_look <= 0:
            self._until_look = LOOK_WINDOWS
            self._renew_if_deaf()
        return probability

    def _renew_if_deaf(self) -> None:
        recent = list(self._recent)
        latest = recent[-DEAF_WINDOWS:]
        if sum(power > LEAST_POWER for _, power, _ in latest) < LOUD_WINDOWS:
            return  # as nearly always: silence
        if sum(speech for _, _, speech in latest) > HEARD_WINDOWS:
            return
        quiet = sorted(range(len(recent)), key=lambda at: recent[at][1])[:PRIMING_WINDOWS]
        loud = max(LOUD_POWER * recent[quiet[-1]][1], LEAST_POWER)
        if sum(power > loud for _, power, _ in latest) < LOUD_WINDOWS:
            return
        self._until_look = DEAF_WINDOWS
        self._network.reset()
        self._prime([recent[at][0] for at in sorted(quiet)])

    def _prime(self, windows: list[Window]) -> None:
        for window in windows:
            self._network(window)
