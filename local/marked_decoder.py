"""Hears the words of marked speech in 16 kHz audio, chunk by chunk, whatever the size of the chunks.

Every 5 ms the loudest of the 34 tones is found. A word is over with its end marker; if that is damaged, with
40 ms of no tone, or where another word begins. What it says is told by `local/marked_reading.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from local.marked_code import END_TONE, SLOT_SECONDS, SLOTS, START_TONE, TONE_HZ, word_text
from local.marked_reading import RUN_LOOKS, SLOT_LOOKS, Reading, read

SAMPLE_RATE = 16_000
"""Hz, of the audio that is fed."""

_HOP = 80
"""Samples between two looks, 5 ms."""

_SIGHT = 320
"""Samples of one look, 20 ms: tones 100 Hz apart do not touch in a Hann window of this length."""

_SLOT = round(SLOT_SECONDS * SAMPLE_RATE)

_DOMINANCE = 0.5
"""Share of the energy of all tones that the loudest must have to be heard at all."""

_FLOOR = 15.0
"""Tone amplitude, of 32,768, below which nothing is heard."""

_END_LOOKS = 5
"""Looks at the end marker after which the word is complete: about 5 ms before it really ends."""

_OVER_LOOKS = 8
"""Looks in a row without a tone, 40 ms, after which a word is over though its end marker did not come."""

_MAX_SILENT_LOOKS = 100
"""Looks in a row without a tone, 0.5 s, after which a word that has begun is given up: until then its rest
may have been held up on its way."""

_MAX_LOOKS = 2 * SLOTS * SLOT_LOOKS
"""What has more looks is no word."""

_EDGES = 3
"""Borders between slots at each end from which start and end of the word are taken."""


@dataclass(frozen=True, slots=True)
class DecodedWord:
    """One word that was heard."""

    number: int
    """0..4095."""
    text: str
    """How it is written."""
    start_sample: int
    """16 kHz samples since the first one fed."""
    end_sample: int
    """16 kHz samples since the first one fed."""


def _bank() -> NDArray[np.float32]:
    """Windowed cosines and sines of all tones, shape (320, 68)."""
    at = np.arange(_SIGHT)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * (at + 0.5) / _SIGHT)
    angle = 2 * np.pi * np.outer(at, np.asarray(TONE_HZ)) / SAMPLE_RATE
    bank = np.concatenate([np.cos(angle), np.sin(angle)], axis=1) * window[:, None]
    return np.asarray(bank * (2 / window.sum()), dtype=np.float32)


_BANK = _bank()


class Decoder:
    """Reads one stream of audio. Not shared between streams."""

    def __init__(self) -> None:
        self._rest = np.zeros(0, dtype=np.int16)
        self._looks = 0
        self._tones: list[int] = []
        """Of the word that has begun; of a long silence in it the beginning."""
        self._at: list[int] = []
        """Numbers of those looks."""
        self._run = 0
        """How many of the last looks have the same tone."""
        self._silent = 0

    def feed(self, pcm: NDArray[np.int16]) -> list[DecodedWord]:
        """Hear more audio: 16 kHz mono int16, shape (n,), any n. Returns the words that it completed."""
        audio = np.concatenate([self._rest, pcm])
        count = max(0, (len(audio) - _SIGHT) // _HOP + 1)
        self._rest = audio[count * _HOP :]
        words = []
        for tone in self._loudest(audio, count):
            word = self._hear(tone)
            if word is not None:
                words.append(word)
        return words

    def _loudest(self, audio: NDArray[np.int16], count: int) -> list[int]:
        """The dominant tone of each of `count` looks, or -1."""
        if count == 0:
            return []
        sights = np.lib.stride_tricks.sliding_window_view(audio, _SIGHT)[::_HOP][:count]
        phases = sights.astype(np.float32) @ _BANK
        energy = phases[:, : len(TONE_HZ)] ** 2 + phases[:, len(TONE_HZ) :] ** 2
        tone = energy.argmax(axis=1)
        top = energy.max(axis=1)
        heard = (top > _FLOOR**2) & (top > _DOMINANCE * energy.sum(axis=1))
        return np.where(heard, tone, -1).tolist()  # type: ignore[no-any-return]

    def _hear(self, tone: int) -> DecodedWord | None:
        look = self._looks
        self._looks += 1
        if not self._tones and tone in (-1, END_TONE):
            return None
        if tone < 0:
            return self._hear_nothing(look)
        self._run = self._run + 1 if self._tones and self._tones[-1] == tone else 1
        self._silent = 0
        self._add(tone, look)
        if tone == START_TONE and self._run == RUN_LOOKS < len(self._tones):
            return self._begin_anew()
        if tone == END_TONE and self._run == _END_LOOKS:
            word = self._word()
            self._forget()
            return word
        if len(self._tones) > _MAX_LOOKS:
            self._forget()
        return None

    def _hear_nothing(self, look: int) -> DecodedWord | None:
        self._silent += 1
        if self._silent > _MAX_SILENT_LOOKS:
            self._forget()
        if self._silent > _OVER_LOOKS:
            return None
        word = self._word() if self._silent == _OVER_LOOKS else None
        self._add(-1, look)
        if word:
            self._forget()
        return word

    def _begin_anew(self) -> DecodedWord | None:
        """Here a word begins; the one before it was whole after all if only its end marker was damaged."""
        start = self._tones[-RUN_LOOKS:], self._at[-RUN_LOOKS:]
        del self._tones[-RUN_LOOKS:]
        word = self._word()
        self._tones, self._at = start
        return word

    def _add(self, tone: int, look: int) -> None:
        self._tones.append(tone)
        self._at.append(look)

    def _forget(self) -> None:
        self._tones, self._at = [], []
        self._silent = 0

    def _word(self) -> DecodedWord | None:
        last = max((at for at, tone in enumerate(self._tones) if tone >= 0), default=-1)
        reading = read(self._tones[: last + 1])
        return None if reading is None else self._placed(reading)

    def _placed(self, reading: Reading) -> DecodedWord:
        """Where it lies. A border between two slots is the middle of the looks that hear different tones."""
        borders = [
            (after.place, (self._at[before.last] + self._at[after.first]) * _HOP / 2 + _SIGHT / 2)
            for before, after in pairwise(reading.spans)
            if after.place == before.place + 1
        ]
        start = fmean(at - _SLOT * place for place, at in borders[:_EDGES])
        end = fmean(at + _SLOT * (SLOTS - place) for place, at in borders[-_EDGES:])
        return DecodedWord(reading.number, word_text(reading.number), max(0, round(start)), round(end))
