"""What is said in a run. Pure: numbers in, plans of marked words out.

A meeting is made of sentences of 12, 6 and 18 words (5.2, 2.6 and 7.8 s) in turn, so that the costs of an
utterance's two ends weigh as in real talk. The second speaker begins in the middle of the first one's
sentence: about half of the time both talk.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from local.marked_speech import WORD_SECONDS, PlannedWord

SENTENCE_WORDS: Final = (12, 6, 18)
GAP_SECONDS: Final = 0.08
"""Silence between two words of a sentence."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One run: how many rooms, who speaks in each, and how."""

    name: str
    rooms: int
    speakers: int
    """In each room."""
    talk_seconds: float
    pause_seconds: float
    """Silence between two sentences of one speaker."""
    silence_seconds: float = 0.0
    """Silence after the talk, at the end of which open recognizer sessions are counted; 0: not counted."""
    sentence_words: tuple[int, ...] = SENTENCE_WORDS
    floor: bool = True
    """Run the floor process on the same speech."""

    @property
    def tracks(self) -> int:
        """Microphones in all rooms."""
        return self.rooms * self.speakers


Sentence = tuple[PlannedWord, ...]
"""Marked words that belong together; times in seconds from the start of the talk."""


def sentence_seconds(words: int) -> float:
    """Length of a sentence of so many words."""
    return words * WORD_SECONDS + (words - 1) * GAP_SECONDS


def plan_speaker(scenario: Scenario, room: int, speaker: int) -> list[Sentence]:
    """The sentences of one speaker; the words of no two speakers of a run are the same.

    Raises:
        ValueError: the run needs more words than there are.
    """
    number = room * scenario.speakers + speaker
    at = 0.5 + speaker * (scenario.pause_seconds + sentence_seconds(scenario.sentence_words[0])) / 2
    share = 4096 // scenario.tracks
    words, last = number * share, (number + 1) * share
    plan: list[Sentence] = []
    turn = speaker
    while True:
        length = scenario.sentence_words[turn % len(scenario.sentence_words)]
        end = at + sentence_seconds(length)
        if plan and end > scenario.talk_seconds:
            return plan
        if words + length > last:
            raise ValueError(f"{scenario.name}: more than {share} words a speaker are needed")
        step = WORD_SECONDS + GAP_SECONDS
        plan.append(tuple(PlannedWord(words + place, at + place * step) for place in range(length)))
        words += length
        at = end + scenario.pause_seconds
        turn += 1


def default_scenarios(*, quick: bool) -> list[Scenario]:
    """Those of `make bench`, or shorter ones of the same kind."""
    talk = 17.5 if quick else 40.0
    scenarios = [
        Scenario("1x2", rooms=1, speakers=2, talk_seconds=talk, pause_seconds=1.8, floor=not quick),
        Scenario("4x2", rooms=4, speakers=2, talk_seconds=talk, pause_seconds=1.8),
    ]
    if not quick:
        quiet = Scenario(
            "quiet",
            rooms=1,
            speakers=2,
            talk_seconds=48.0,
            pause_seconds=12.0,
            silence_seconds=36.0,
            floor=False,
        )
        scenarios.insert(1, quiet)
    return scenarios
