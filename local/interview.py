"""The demo's interview: who says what, and when. Two recorded people; their texts are known word by word."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from local.clips import BECKETT, OPINION, TWO_CITIES, Recording, load

SAMPLE_RATE: Final = 48_000
LOUDEST: Final = 14_000
"""Both people are brought to this peak: one was recorded five times as loud as the other."""

INTERVIEWER: Final = "interviewer"
CANDIDATE: Final = "candidate"


@dataclass(frozen=True, slots=True)
class Turn:
    """One stretch of speech of one person."""

    role: str
    at: float
    """Seconds after the interview's beginning."""
    recording: Recording
    start: float
    """Of the part of the recording that is said, seconds; a little silence at both ends belongs to it."""
    end: float
    text: str

    @property
    def seconds(self) -> float:
        """Length of the part."""
        return self.end - self.start


_OPINION_TEXT = "I do. I think that America could do it very well. Um."

# Each of the two is silent for three seconds or more between turns, so that a late text tells its turn.
SCRIPT: Final = (
    Turn(
        INTERVIEWER,
        0.0,
        BECKETT,
        0.0,
        9.3,
        "Ever tried. Ever failed. No matter. Try again. Fail again. Fail better.",
    ),
    Turn(CANDIDATE, 10.6, OPINION, 0.35, 4.1, _OPINION_TEXT),
    Turn(
        INTERVIEWER,
        15.0,
        TWO_CITIES,
        1.1,
        8.4,
        "It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of "
        "foolishness,",
    ),
    # the candidate cuts in before the sentence is over
    Turn(CANDIDATE, 21.0, OPINION, 0.35, 4.1, _OPINION_TEXT),
    Turn(
        INTERVIEWER,
        25.4,
        TWO_CITIES,
        8.65,
        20.65,
        "it was the epoch of belief, it was the epoch of incredulity, it was the season of light, it was the "
        "season of darkness, it was the spring of hope, it was the winter of despair,",
    ),
    # and speaks over the interviewer
    Turn(CANDIDATE, 34.0, OPINION, 0.35, 4.1, _OPINION_TEXT),
    Turn(
        INTERVIEWER,
        41.0,
        TWO_CITIES,
        21.1,
        28.55,
        "we had everything before us, we had nothing before us, we were all going direct to heaven, we were "
        "all going direct the other way.",
    ),
    Turn(CANDIDATE, 48.9, OPINION, 0.35, 4.1, _OPINION_TEXT),
)

SECONDS: Final = max(turn.at + turn.seconds for turn in SCRIPT)
"""Length of the interview."""


_AUDIBLE: Final = LOUDEST / 40
"""Root mean square above which a step is speech; the room noise of both recordings is below."""
_STEP: Final = SAMPLE_RATE // 20


def text_of(role: str) -> str:
    """All that one of the two says."""
    return " ".join(turn.text for turn in SCRIPT if turn.role == role)


def sound_of(turn: Turn) -> NDArray[np.int16]:
    """48 kHz mono int16, shape (n,).

    Raises:
        LocalPartError: the recordings are not installed.
    """
    whole = load(turn.recording, SAMPLE_RATE)
    part = whole[round(turn.start * SAMPLE_RATE) : round(turn.end * SAMPLE_RATE)].astype(np.float64)
    return np.asarray(np.round(part * (LOUDEST / np.abs(whole.astype(np.float64)).max())), dtype=np.int16)


def speech_end(sound: NDArray[np.int16]) -> float:
    """Seconds from the start of a turn's sound to where its speech ends, to 0.05 s."""
    steps = sound[: len(sound) // _STEP * _STEP].astype(np.float64).reshape(-1, _STEP)
    loud = np.sqrt((steps**2).mean(axis=1)) > _AUDIBLE
    return (int(np.flatnonzero(loud)[-1]) + 1) * _STEP / SAMPLE_RATE
