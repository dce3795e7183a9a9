"""From the audio that a client sends to what engines hear: 16 kHz mono int16."""

from __future__ import annotations

import av
import numpy as np
from numpy.typing import NDArray

from local.recognizer.engines.engine import ENGINE_RATE
from local.recognizer.protocol import SessionConfig


def _ulaw_table() -> NDArray[np.int16]:
    """The 256 values of G.711 u-law (audioop, which knew them, has left the standard library)."""
    code = ~np.arange(256, dtype=np.int64) & 0xFF
    magnitude = (((code & 0x0F) << 3) + 0x84 << ((code & 0x70) >> 4)) - 0x84
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)


ULAW = _ulaw_table()
"""Linear value of each u-law byte, shape (256,)."""


class Intake:
    """Converts the audio of one session, chunk by chunk."""

    def __init__(self, config: SessionConfig) -> None:
        self._ulaw = config.audio_format.startswith("ulaw")
        self._rate = config.sample_rate
        self._resampler = (
            None
            if self._rate == ENGINE_RATE
            else av.AudioResampler(format="s16", layout="mono", rate=ENGINE_RATE)
        )

    def convert(self, audio: bytes) -> NDArray[np.int16]:
        """Take bytes in the session's format; give 16 kHz mono int16 (when resampled, a few ms later)."""
        pcm = ULAW[np.frombuffer(audio, dtype=np.uint8)] if self._ulaw else np.frombuffer(audio, dtype="<i2")
        if self._resampler is None:
            return pcm
        frame = av.AudioFrame.from_ndarray(pcm.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = self._rate
        parts = [part.to_ndarray().reshape(-1) for part in self._resampler.resample(frame)]
        return np.concatenate([np.zeros(0, dtype=np.int16), *parts])
