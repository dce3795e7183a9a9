"""Words said against words written and gaps told. Pure; all times are Unix times."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from bench.words import SaidWord, WrittenWord

TIME_ERROR_SECONDS: Final = 0.15
"""Word and gap times are true to this (design, section 4): a gap may begin so much earlier than it says."""


@dataclass(frozen=True, slots=True)
class Hole:
    """A gap that the record tells."""

    speaker: str
    """Identity."""
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of the words that were said to their end."""

    said: int
    once: int
    """Written exactly once, under the right speaker."""
    doubled: int
    """Written more than once, whoever is named."""
    lost: int
    """Not written, and their time is in no gap of their speaker."""
    in_gaps: int
    """Not written, but told to be missing."""
    wrong_speaker: int
    """Written once, under another speaker."""
    invented: int
    """Written, but said by nobody."""


def tally(
    said: Sequence[SaidWord], torn: Sequence[SaidWord], written: Iterable[WrittenWord], holes: Sequence[Hole]
) -> Tally:
    """Count `said`. A `torn` word was cut off in the middle: it may be written or not, but not wrongly."""
    found: dict[str, list[str]] = defaultdict(list)
    for word in written:
        found[word.text].append(word.speaker)
    once = doubled = lost = in_gaps = wrong = 0
    for truth in said:
        match found.pop(truth.text, []):
            case []:
                told = is_told(truth, holes)
                in_gaps += told
                lost += not told
            case [speaker]:
                once += speaker == truth.speaker
                wrong += speaker != truth.speaker
            case _:
                doubled += 1
    for half in torn:
        match found.pop(half.text, []):
            case [speaker]:
                wrong += speaker != half.speaker
            case [_, _, *_]:
                doubled += 1
    invented = sum(len(rest) for rest in found.values())
    return Tally(len(said), once, doubled, lost, in_gaps, wrong, invented)


def is_told(word: SaidWord, holes: Iterable[Hole]) -> bool:
    """True when a gap of its speaker covers the word or cuts it: nobody can read half a word."""
    return any(
        hole.speaker == word.speaker
        and hole.start - TIME_ERROR_SECONDS < word.end
        and word.start < hole.end + TIME_ERROR_SECONDS
        for hole in holes
    )


def as_heard(
    said: Iterable[SaidWord], written: Iterable[WrittenWord], latest_seconds: float
) -> list[SaidWord]:
    """The words with the times at which they were heard, behind a link that delivers sound late.

    Times in the record are those at which sound came out of the link (docs/protocol.md). A word that is not
    written was as late as its speaker's written words before and after it, in proportion to the distance; at
    most `latest_seconds`, which the link cannot exceed.
    """
    starts = {word.text: word.start for word in written}
    words = sorted(said, key=lambda word: word.start)
    known: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for word in words:
        if word.text in starts:
            late = min(max(starts[word.text] - word.start, 0.0), latest_seconds)
            known[word.speaker].append((word.start, late))
    return [_later(word, _late_at(known[word.speaker], word.start)) for word in words]


def _later(word: SaidWord, seconds: float) -> SaidWord:
    return replace(word, start=word.start + seconds, end=word.end + seconds)


def _late_at(known: Sequence[tuple[float, float]], moment: float) -> float:
    """`known`: moments and how late sound was then, in order."""
    before = [one for one in known if one[0] <= moment][-1:]
    after = [one for one in known if one[0] > moment][:1]
    if not before or not after:
        return (before or after or [(moment, 0.0)])[0][1]
    (since, late), (until, later) = before[0], after[0]
    return late + (later - late) * (moment - since) / (until - since)


def gap_seconds(holes: Iterable[Hole]) -> float:
    """The time missing of the speaker who misses most; what two gaps of one share counts once."""
    spans: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for hole in holes:
        spans[hole.speaker].append((hole.start, hole.end))
    return max((_covered(sorted(one)) for one in spans.values()), default=0.0)


def seconds_over_words(holes: Iterable[Hole], written: Iterable[WrittenWord]) -> float:
    """How long gaps lie over words that are written, of the speaker for whom that is worst."""
    both: dict[str, float] = defaultdict(float)
    spans = list(holes)
    for word in written:
        cuts = [
            (max(hole.start, word.start), min(hole.end, word.end))
            for hole in spans
            if hole.speaker == word.speaker and hole.start < word.end and word.start < hole.end
        ]
        both[word.speaker] += _covered(sorted(cuts))
    return max(both.values(), default=0.0)


def _covered(ordered: Sequence[tuple[float, float]]) -> float:
    covered, reached = 0.0, float("-inf")
    for start, end in ordered:
        covered += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return covered
