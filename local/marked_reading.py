"""Which word a row of looks at the dominant tone says, and where its slots lie.

A word whose nine tones are all there is read by them alone: the lengths of its slots are not used, so audio
that a jitter buffer stretched or shortened is still read. Otherwise every word of the code is laid over the
looks: of its nine slots seven must be heard, in order and about where they belong, and no other word may fit
nearly as well. So one lost packet or two, which no listener would miss, leave a word what it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from local.marked_code import CODE, SLOTS, TONES

SLOT_LOOKS = 8
"""Looks that a whole slot wins."""

RUN_LOOKS = 3
"""Looks that a tone must win to be a slot by itself."""

_HEARD_LOOKS = 2
"""Looks of a slot's tone, where it belongs, with which it counts as heard."""

_MAY_LACK = 2
"""Slots of nine that need not be heard: any five symbols of the code tell the word and prove it."""

_AWAY_LOOKS = 13
"""By how much a slot may lie earlier or later than it was said, 65 ms."""

_BETTER_LOOKS = 4
"""By so many looks the word that is read fits better than any other."""

_WHOLE_LOOKS = range(66, 90)
"""Looks (8.3 slots and more) that a word lasts when a marker of it is missing; a whole one lasts 74."""


@dataclass(frozen=True, slots=True)
class Span:
    """A slot that was heard."""

    place: int
    """0 to 8."""
    first: int
    """Look at which it was heard first."""
    last: int


@dataclass(frozen=True, slots=True)
class Reading:
    """A word that was read."""

    number: int
    """0..4095."""
    spans: tuple[Span, ...]
    """Slots that were heard, in order."""


_NUMBERS = {tuple(tones): number for number, tones in enumerate(CODE.tolist())}


def read(looks: list[int]) -> Reading | None:
    """`looks`: the dominant tone each 5 ms, -1 for none, from a word's first tone to its last."""
    return _by_runs(looks) or _by_fit(np.asarray(looks, dtype=np.int64))


def _by_runs(looks: list[int]) -> Reading | None:
    """Nine tones and nothing else; what is too short to be a slot makes way."""
    runs: list[tuple[int, int, int]] = []
    at = 0
    for tone, same in groupby(looks):
        first, at = at, at + sum(1 for _ in same)
        if tone < 0:
            continue
        if runs and runs[-1][0] == tone:
            runs[-1] = tone, runs[-1][1], at - 1
        elif at - first >= RUN_LOOKS:
            runs.append((tone, first, at - 1))
    number = _NUMBERS.get(tuple(tone for tone, _, _ in runs))
    if number is None:
        return None
    return Reading(number, tuple(Span(place, first, last) for place, (_, first, last) in enumerate(runs)))


def _by_fit(looks: NDArray[np.int64]) -> Reading | None:
    if len(looks) < _WHOLE_LOOKS.start - SLOT_LOOKS:
        return None
    numbers = _candidates(looks)
    if len(numbers) == 0:
        return None
    said = _laid_over(looks, numbers)
    fit = (said >= 0).sum(axis=0)
    best = int(fit.argmax())
    if (np.delete(fit, best) > fit[best] - _BETTER_LOOKS).any():
        return None
    spans = _spans(said[:, best], looks)
    return Reading(int(numbers[best]), spans) if _is_whole(spans, len(looks)) else None


def _is_whole(spans: tuple[Span, ...], looks: int) -> bool:
    """Enough is heard, and it lies as in a word that was said to its end."""
    if len(spans) < SLOTS - _MAY_LACK:
        return False
    has_markers = spans[0].place == 0 and spans[-1].place == SLOTS - 1
    away = [span.first - SLOT_LOOKS * span.place for span in spans]
    return max(away) - min(away) <= _AWAY_LOOKS and (has_markers or looks in _WHOLE_LOOKS)


def _candidates(looks: NDArray[np.int64]) -> NDArray[np.int64]:
    """Words of which enough slots are heard about where they belong, in whatever order; shape (n,)."""
    total = np.zeros((len(looks) + 1, TONES), dtype=np.int64)
    total[1:] = (looks[:, None] == np.arange(TONES)).cumsum(axis=0)
    starts = SLOT_LOOKS * np.arange(SLOTS)
    first = np.clip(starts - _AWAY_LOOKS, 0, len(looks))
    end = np.clip(starts + SLOT_LOOKS + _AWAY_LOOKS, 0, len(looks))
    around = total[end] - total[first]
    heard = around[np.arange(SLOTS), CODE] >= _HEARD_LOOKS
    return np.flatnonzero(heard.sum(axis=1) >= SLOTS - _MAY_LACK)


def _laid_over(looks: NDArray[np.int64], numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """The slot (0..8) to which each look belongs for each word, -1 for none; shape (looks, words).

    The way through the slots, in order, on which most looks have the tone of their slot.
    """
    at = np.arange(len(looks))[:, None, None]
    starts = SLOT_LOOKS * np.arange(SLOTS)[:, None]
    near = (at >= starts - _AWAY_LOOKS) & (at < starts + SLOT_LOOKS + _AWAY_LOOKS)
    agrees = (looks[:, None, None] == CODE[numbers].T) & near
    most = np.zeros((SLOTS, len(numbers)), dtype=np.int64)
    comes_from = np.zeros(agrees.shape, dtype=np.int64)
    for look, agree in enumerate(agrees):
        before = np.maximum.accumulate(most, axis=0)
        reached = np.where(most == before, np.arange(SLOTS)[:, None], 0)
        comes_from[look] = np.maximum.accumulate(reached, axis=0)
        most = before + agree
    words = np.arange(len(numbers))
    said = np.full((len(looks), len(numbers)), -1, dtype=np.int64)
    slot = most.argmax(axis=0)
    for look in range(len(looks) - 1, -1, -1):
        said[look] = np.where(agrees[look, slot, words], slot, -1)
        slot = comes_from[look, slot, words]
    return said


def _spans(said: NDArray[np.int64], looks: NDArray[np.int64]) -> tuple[Span, ...]:
    """The slots that are heard. One tone that goes on is one slot, whatever the word says."""
    heard = sorted((int(slot), look) for look, slot in enumerate(said.tolist()) if slot >= 0)
    slots = [(place, [look for _, look in same]) for place, same in groupby(heard, key=itemgetter(0))]
    return tuple(
        Span(place, at[0], at[-1])
        for place, at in slots
        if len(at) >= _HEARD_LOOKS and (at[0] == 0 or looks[at[0] - 1] != looks[at[0]])
    )
