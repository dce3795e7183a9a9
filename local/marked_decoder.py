"""Hears the words of marked speech in 16 kHz audio, chunk by chunk, whatever the size of the chunks.

Every 5 ms the loudest of the 34 tones is found; equal tones in a row are one slot. The slots from a start
marker to an end marker are a word when the code says so (`local/marked_code.py`). The lengths of the slots
are not used, so audio that a jitter buffer stretched or shortened a little is still read. Two slots may be
missing: one lost packet or two, which no listener would miss. If a marker is among them something must have
taken its time (audio that was made up): a word that is cut short is not read.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from local.marked_code import END_TONE, SLOT_SECONDS, SLOTS, START_TONE, TONE_HZ, read_tones, word_text

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

_MIN_LOOKS = 3
"""Looks that a tone must win to be a slot; a whole slot wins eight."""

_END_LOOKS = 5
"""Looks at the end marker after which the word is complete: about 5 ms before it really ends."""

_OVER_LOOKS = 8
"""Looks in a row without a tone, 40 ms, after which a word is over though its end marker did not come."""

_MARKER_LOOKS = 9
"""Looks that a whole marker wins."""

_MAX_SILENT_LOOKS = 100
"""Looks in a row without a tone, 0.5 s, after which a word that has begun is given up: until then its rest
may have been held up on its way."""

_WHOLE_LOOKS = range(69, 90)
"""Looks (8.6 slots and more) that a word lasts when a marker of it is missing; a whole one lasts 74."""

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


@dataclass(slots=True)
class _Slot:
    tone: int
    first: int
    """Number of the look at which it was heard first."""
    last: int
    looks: int


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
        self._slots: list[_Slot] = []
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
        if tone < 0:
            return self._hear_nothing()
        self._silent = 0
        if self._slots and self._slots[-1].tone == tone:
            self._slots[-1].last = look
            self._slots[-1].looks += 1
        else:
            self._open(tone, look)
        slot = self._slots[-1] if self._slots else None
        if slot is None or slot.tone != END_TONE or slot.looks != _END_LOOKS:
            return None
        word = self._word()
        self._slots.clear()
        return word

    def _hear_nothing(self) -> DecodedWord | None:
        self._silent += 1
        word = self._word() if self._silent == _OVER_LOOKS else None
        if word or self._silent > _MAX_SILENT_LOOKS:
            self._slots.clear()
        return word

    def _open(self, tone: int, look: int) -> None:
        """Begin a slot; one that was too short to be real makes way, and what it parted grows together."""
        slots = self._slots
        if slots and slots[-1].looks < _MIN_LOOKS:
            slots.pop()
            if slots and slots[-1].tone == tone:
                slots[-1].last = look
                slots[-1].looks += 1
                return
        if tone == START_TONE:
            slots.clear()
        if slots or tone != END_TONE:
            slots.append(_Slot(tone, look, look, 1))
        if len(slots) > SLOTS + 1:
            slots.clear()

    def _is_bounded(self) -> bool:
        return self._slots[0].tone == START_TONE and self._slots[-1].tone == END_TONE

    def _lasts(self) -> int:
        """Looks from the first slot to the end of the last; an end marker is not over yet, but whole."""
        last = self._slots[-1]
        end = last.first + _MARKER_LOOKS if last.tone == END_TONE else last.last + 1
        return end - self._slots[0].first

    def _word(self) -> DecodedWord | None:
        slots = self._slots
        if not slots or (not self._is_bounded() and self._lasts() not in _WHOLE_LOOKS):
            return None
        middles = [(slot.first + slot.last) * _HOP / 2 / _SLOT for slot in slots]
        read = read_tones([slot.tone for slot in slots], middles)
        if read is None:
            return None
        number, places = read
        # The border between two slots lies at the middle of the two looks that hear different tones.
        borders = [
            (after_place, (before.last + after.first) * _HOP / 2 + _SIGHT / 2)
            for before, after, before_place, after_place in zip(
                slots, slots[1:], places, places[1:], strict=False
            )
            if after_place == before_place + 1
        ]
        start = fmean(at - _SLOT * place for place, at in borders[:_EDGES])
        end = fmean(at + _SLOT * (SLOTS - place) for place, at in borders[-_EDGES:])
        return DecodedWord(number, word_text(number), max(0, round(start)), round(end))
