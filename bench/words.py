"""Words said against words written. Pure; every marked word is said once in all the rooms of a run.

All times are room time (seconds since the room was created).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SaidWord:
    """One word as it was spoken."""

    text: str
    speaker: str
    """Identity."""
    start: float
    end: float
    sentence: int
    """Number of its sentence among the speaker's; its last word ends the sentence."""


@dataclass(frozen=True, slots=True)
class WrittenWord:
    """One word of a final."""

    text: str
    speaker: str
    """Identity."""
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Arrival:
    """One segment, interim or final, as it reached a participant."""

    segment_id: str
    revision: int
    final: bool
    speaker: str
    """Identity."""
    arrived: float
    texts: tuple[str, ...]
    """The words of its text."""
    words: tuple[WrittenWord, ...]
    """With times; empty in interims."""


@dataclass(frozen=True, slots=True)
class WordCount:
    """What became of the words."""

    said: int
    once: int
    """Written exactly once, under the right speaker."""
    lost: int
    doubled: int
    """Written more than once, whoever is named."""
    wrong_speaker: int
    """Written once, under another speaker."""
    invented: int
    """Written, but not said in this room."""

    def __add__(self, other: WordCount) -> WordCount:
        return WordCount(
            said=self.said + other.said,
            once=self.once + other.once,
            lost=self.lost + other.lost,
            doubled=self.doubled + other.doubled,
            wrong_speaker=self.wrong_speaker + other.wrong_speaker,
            invented=self.invented + other.invented,
        )


NO_WORDS = WordCount(said=0, once=0, lost=0, doubled=0, wrong_speaker=0, invented=0)


def normalized(text: str) -> tuple[str, ...]:
    """The words of a text: lower case, without punctuation."""
    kept = "".join(letter if letter.isalnum() or letter in "'-" else " " for letter in text.lower())
    return tuple(kept.split())


def last_finals(arrivals: Iterable[Arrival]) -> list[Arrival]:
    """The final of every segment, the highest revision of it: what a reader is left with."""
    latest: dict[str, Arrival] = {}
    for arrival in arrivals:
        known = latest.get(arrival.segment_id)
        if arrival.final and (known is None or arrival.revision >= known.revision):
            latest[arrival.segment_id] = arrival
    return list(latest.values())


def written_words(arrivals: Iterable[Arrival]) -> list[WrittenWord]:
    """The words that a reader is left with."""
    return [word for arrival in last_finals(arrivals) for word in arrival.words]


def count_words(said: Sequence[SaidWord], written: Sequence[WrittenWord]) -> WordCount:
    """What became of the words `said` in one room."""
    speakers: dict[str, list[str]] = defaultdict(list)
    for word in written:
        speakers[word.text].append(word.speaker)
    once = lost = doubled = wrong = 0
    for truth in said:
        match speakers.pop(truth.text, []):
            case []:
                lost += 1
            case [speaker]:
                once += speaker == truth.speaker
                wrong += speaker != truth.speaker
            case _:
                doubled += 1
    invented = sum(len(rest) for rest in speakers.values())
    return WordCount(len(said), once, lost, doubled, wrong, invented)


def time_errors(said: Sequence[SaidWord], written: Sequence[WrittenWord]) -> list[float]:
    """Written less true start, seconds, of every word written under its speaker."""
    truth = {(word.text, word.speaker): word.start for word in said}
    return [
        word.start - truth[word.text, word.speaker] for word in written if (word.text, word.speaker) in truth
    ]


def final_delays(said: Sequence[SaidWord], arrivals: Sequence[Arrival]) -> list[float]:
    """For every sentence: from the end of its last word to the arrival of the first final with that word."""
    ends: dict[tuple[str, int], SaidWord] = {}
    for word in said:
        known = ends.get((word.speaker, word.sentence))
        if known is None or word.end > known.end:
            ends[word.speaker, word.sentence] = word
    return _first_arrivals(ends.values(), [arrival for arrival in arrivals if arrival.final])


def first_text_delays(said: Sequence[SaidWord], arrivals: Sequence[Arrival]) -> list[float]:
    """For every word: from its end to the arrival of the first text, interim or final, that contains it."""
    return _first_arrivals(said, arrivals)


def _first_arrivals(words: Iterable[SaidWord], arrivals: Sequence[Arrival]) -> list[float]:
    first: dict[tuple[str, str], float] = {}
    for arrival in sorted(arrivals, key=lambda one: one.arrived):
        for text in arrival.texts:
            first.setdefault((text, arrival.speaker), arrival.arrived)
    return [first[word.text, word.speaker] - word.end for word in words if (word.text, word.speaker) in first]


def speech_seconds(said: Sequence[SaidWord]) -> float:
    """Seconds of sentence time: first word's start to last one's end, summed over the sentences."""
    spans: dict[tuple[str, int], tuple[float, float]] = {}
    for word in said:
        start, end = spans.get((word.speaker, word.sentence), (word.start, word.end))
        spans[word.speaker, word.sentence] = min(start, word.start), max(end, word.end)
    return sum(end - start for start, end in spans.values())
