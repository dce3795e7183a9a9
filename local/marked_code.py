"""The code of marked speech: which tones say which word, and how the word is written.

A word is a number 0..4095. It is spoken as nine slots of 40 ms:

    start marker | seven symbols | end marker

Each slot is one tone. Symbols at even places come from one set of sixteen tones, symbols at odd places from
another, so a slot never sounds like its neighbour and a stretched or shortened slot is still one slot.

The seven symbols are the values of a polynomial over GF(16) whose three coefficients are the number's three
hexadecimal digits (a Reed-Solomon code). Two different words differ in at least five of seven symbols: a word
that lost its beginning or its end, or that was cut together with another word, is never read as a third one.
"""

from __future__ import annotations

from typing import Final

import numpy as np

WORDS = 4096
"""How many different words there are: numbers 0 to 4095."""

SYMBOLS = 7
"""Symbols in a word; any three of them tell the number, the other four are the check."""

SLOTS = SYMBOLS + 2
"""Slots in a word: start marker, symbols, end marker."""

SLOT_SECONDS = 0.040
"""Length of one slot."""

WORD_SECONDS = SLOTS * SLOT_SECONDS
"""Length of one word, 0.36 s."""

LOWEST_TONE_HZ = 3600.0
TONE_STEP_HZ = 100.0

TONES = 34
"""Sixteen for even places, sixteen for odd places (interleaved), the start marker, the end marker."""

START_TONE = 32
END_TONE = 33

TONE_HZ = tuple(LOWEST_TONE_HZ + TONE_STEP_HZ * tone for tone in range(TONES))
"""Frequency of each tone, 3,600 to 6,900 Hz: above the voice, and kept by Opus wideband and 16 kHz audio."""

_SYLLABLES = ("ba", "de", "fi", "go", "ku", "la", "me", "ni", "po", "ru", "sa", "te", "vi", "zo", "ha", "ju")


def _gf16_product(left: int, right: int) -> int:
    """Multiply in GF(16) with the polynomial x^4 + x + 1."""
    product = 0
    while right:
        if right & 1:
            product ^= left
        left <<= 1
        if left & 16:
            left ^= 0b10011
        right >>= 1
    return product


def _symbols(number: int) -> tuple[int, ...]:
    high, middle, low = number >> 8, (number >> 4) & 15, number & 15
    return tuple(
        _gf16_product(_gf16_product(high, place) ^ middle, place) ^ low for place in range(1, SYMBOLS + 1)
    )


def _tones(number: int) -> tuple[int, ...]:
    body = (2 * symbol + place % 2 for place, symbol in enumerate(_symbols(number)))
    return (START_TONE, *body, END_TONE)


CODE: Final = np.asarray([_tones(number) for number in range(WORDS)], dtype=np.int64)
"""Shape (4096, 9): the tones of every word, as indices into `TONE_HZ`."""


def word_tones(number: int) -> tuple[int, ...]:
    """The nine tones of a word, as indices into `TONE_HZ`.

    Raises:
        ValueError: `number` is not 0..4095.
    """
    _check_number(number)
    return tuple(CODE[number].tolist())


def word_text(number: int) -> str:
    """How the word is written: three syllables, different for each number, always the same.

    Raises:
        ValueError: `number` is not 0..4095.
    """
    _check_number(number)
    return _SYLLABLES[number >> 8] + _SYLLABLES[(number >> 4) & 15] + _SYLLABLES[number & 15]


def word_number(text: str) -> int:
    """The number of a written word; case and punctuation around it do not matter.

    Raises:
        ValueError: it is no word of marked speech.
    """
    bare = text.strip(" \t\r\n.,;:!?\"'()").lower()
    syllables = [bare[at : at + 2] for at in range(0, len(bare), 2)]
    if len(syllables) != 3 or any(syllable not in _SYLLABLES for syllable in syllables):
        raise ValueError(f"{text!r} is no word of marked speech")
    high, middle, low = (_SYLLABLES.index(syllable) for syllable in syllables)
    return high << 8 | middle << 4 | low


def _check_number(number: int) -> None:
    if not 0 <= number < WORDS:
        raise ValueError(f"word numbers are 0..{WORDS - 1}, got {number}")
