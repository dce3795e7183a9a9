"""Marked speech: audio that a voice detector hears as speech and in which every word says its number.

    plan = sentences(range(10), words_per_sentence=5, pause_seconds=1.0)
    clip = synthesize(plan)                       # 48 kHz mono int16, ready for a LiveKit AudioSource
    clip.words[3].text, clip.words[3].start       # what is said, and when, in seconds of the clip

    decoder = Decoder()                           # 16 kHz mono int16 in, words with sample positions out
    decoder.feed(pcm)

It lets a test count words: lost, doubled, under the wrong speaker, at the wrong time. The words survive Opus
at 24 kbit/s and resampling; a truncated word is not read as another one (`local/marked_code.py` says why).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from local.marked_code import (
    SLOT_SECONDS,
    TONE_HZ,
    WORD_SECONDS,
    WORDS,
    word_number,
    word_text,
    word_tones,
)
from local.marked_decoder import DecodedWord, Decoder

__all__ = [
    "WORDS",
    "WORD_SECONDS",
    "Clip",
    "DecodedWord",
    "Decoder",
    "MarkedWord",
    "PlannedWord",
    "sentences",
    "synthesize",
    "word_number",
    "word_text",
]

_PEAK = 12_000
"""Largest sample value of a clip, about -9 dBFS."""

_TONE_LEVEL = 0.3
"""Tones relative to the voice's peak; Silero hears the sum as speech more readily than the voice alone."""

_PITCH_HZ = 105.0
_SYLLABLE_SECONDS = WORD_SECONDS / 2
_VOICE_CEILING_HZ = 3200.0
"""The voice stays below the tones."""

_FORMANTS_HZ = {
    "u": (310.0, 870.0, 2250.0),
    "a": (730.0, 1090.0, 2440.0),
    "i": (280.0, 2250.0, 2890.0),
    "e": (530.0, 1840.0, 2480.0),
}
_FORMANT_WIDTH_HZ = (80.0, 110.0, 160.0)
_FORMANT_GAIN = (1.0, 0.6, 0.35)


@dataclass(frozen=True, slots=True)
class PlannedWord:
    """One word that is to be said."""

    number: int
    """0..4095."""
    start: float
    """Seconds of the clip."""


@dataclass(frozen=True, slots=True)
class MarkedWord:
    """One word of a clip."""

    number: int
    """0..4095."""
    text: str
    """How it is written."""
    start: float
    """Seconds of the clip."""
    end: float
    """Seconds of the clip."""


@dataclass(frozen=True, slots=True)
class Clip:
    """Marked speech and what is said in it."""

    pcm: NDArray[np.int16]
    """Mono samples, shape (n,)."""
    sample_rate: int
    """Hz."""
    words: tuple[MarkedWord, ...]
    """In order of time."""

    @property
    def seconds(self) -> float:
        """Length of the clip."""
        return len(self.pcm) / self.sample_rate

    def sentences(self, pause_seconds: float = 0.3) -> list[tuple[MarkedWord, ...]]:
        """The words, parted wherever at least `pause_seconds` of silence lie between two of them."""
        groups: list[list[MarkedWord]] = []
        for word in self.words:
            if groups and word.start - groups[-1][-1].end < pause_seconds:
                groups[-1].append(word)
            else:
                groups.append([word])
        return [tuple(group) for group in groups]


def sentences(
    numbers: Iterable[int],
    *,
    words_per_sentence: int,
    pause_seconds: float,
    start: float = 0.5,
    gap_seconds: float = 0.08,
) -> list[PlannedWord]:
    """Plan sentences of `words_per_sentence` words with `gap_seconds` of silence between words.

    `pause_seconds` is the silence between sentences; the first word starts at `start`.
    """
    plan: list[PlannedWord] = []
    at = start
    for place, number in enumerate(numbers):
        if place:
            at += WORD_SECONDS + (pause_seconds if place % words_per_sentence == 0 else gap_seconds)
        plan.append(PlannedWord(number, at))
    return plan


def synthesize(plan: Sequence[PlannedWord], sample_rate: int = 48_000, tail_seconds: float = 1.0) -> Clip:
    """Say the words of `plan` and end with `tail_seconds` of silence.

    Raises:
        ValueError: the words overlap, one starts before 0, a number is not 0..4095, or `sample_rate` is below
            16 kHz, which cannot hold the tones.
    """
    if sample_rate < 16_000:
        raise ValueError(f"marked speech needs 16000 Hz or more, got {sample_rate}")
    ordered = sorted(plan, key=lambda word: word.start)
    _check_apart(ordered)
    end = ordered[-1].start + WORD_SECONDS if ordered else 0.0
    pcm = np.zeros(round((end + tail_seconds) * sample_rate), dtype=np.int16)
    words = []
    for planned in ordered:
        sound = _word_sound(planned.number, sample_rate)
        at = round(planned.start * sample_rate)
        pcm[at : at + len(sound)] = sound[: len(pcm) - at]
        words.append(
            MarkedWord(
                number=planned.number,
                text=word_text(planned.number),
                start=at / sample_rate,
                end=at / sample_rate + WORD_SECONDS,
            )
        )
    return Clip(pcm=pcm, sample_rate=sample_rate, words=tuple(words))


def _check_apart(ordered: Sequence[PlannedWord]) -> None:
    if ordered and ordered[0].start < 0:
        raise ValueError(f"word {ordered[0].number} starts before the clip, at {ordered[0].start} s")
    for one, other in pairwise(ordered):
        if other.start < one.start + WORD_SECONDS - 1e-9:
            raise ValueError(
                f"words {one.number} and {other.number} overlap: they start at {one.start} s and "
                f"{other.start} s, and a word lasts {WORD_SECONDS} s"
            )


@lru_cache(maxsize=WORDS)
def _word_sound(number: int, sample_rate: int) -> NDArray[np.int16]:
    samples = round(WORD_SECONDS * sample_rate)
    seconds = np.arange(samples) / sample_rate
    slot = np.minimum((seconds / SLOT_SECONDS).astype(np.int64), len(word_tones(number)) - 1)
    hertz = np.asarray(TONE_HZ)[np.asarray(word_tones(number))[slot]]
    within = seconds / SLOT_SECONDS - slot
    # The phase starts anew in each slot; the swell hides the step, which would otherwise click.
    tones = np.sin(2 * np.pi * hertz * within * SLOT_SECONDS) * np.sqrt(np.sin(np.pi * within))
    sound = _carrier(sample_rate) + _TONE_LEVEL * tones
    return np.asarray(np.round(sound * (_PEAK / (1 + _TONE_LEVEL))), dtype=np.int16)


@lru_cache(maxsize=8)
def _carrier(sample_rate: int) -> NDArray[np.float64]:
    """The voice of every word, peak 1: two gliding syllables, as steady vowels are not taken for speech."""
    voice = np.concatenate([_syllable("u", "a", sample_rate), _syllable("i", "e", sample_rate)])
    samples = round(WORD_SECONDS * sample_rate)
    return np.pad(voice, (0, max(0, samples - len(voice))))[:samples]


def _syllable(first: str, last: str, sample_rate: int) -> NDArray[np.float64]:
    samples = round(_SYLLABLE_SECONDS * sample_rate)
    way = np.arange(samples) / samples
    pitch = _PITCH_HZ * (1.15 - 0.3 * way) * (1 + 0.02 * np.sin(2 * np.pi * 5 * way * _SYLLABLE_SECONDS))
    phase = 2 * np.pi * np.cumsum(pitch) / sample_rate
    formants = [
        (1 - way) * begin + way * end
        for begin, end in zip(_FORMANTS_HZ[first], _FORMANTS_HZ[last], strict=True)
    ]
    voice = np.zeros(samples)
    for harmonic in range(1, int(_VOICE_CEILING_HZ / (_PITCH_HZ * 1.17)) + 1):
        loudness = sum(
            gain / np.sqrt(1 + ((harmonic * pitch - formant) / width) ** 2)
            for formant, width, gain in zip(formants, _FORMANT_WIDTH_HZ, _FORMANT_GAIN, strict=True)
        )
        voice += harmonic**-0.6 * loudness * np.cos(harmonic * phase)
    attack = (np.arange(samples) + 1) / (0.02 * sample_rate)
    release = (samples - np.arange(samples)) / (0.03 * sample_rate)
    voice *= np.minimum(1.0, np.minimum(attack, release))
    return np.asarray(voice / np.abs(voice).max(), dtype=np.float64)
