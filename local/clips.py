"""Recorded voices with known texts: the clips inside the moonshine-voice 0.0.73 wheel.

Who speaks was checked with the wheel's own speaker identification, what is said with Moonshine on several
cuts of each clip and a forced alignment of the alternatives by a second recognizer (pocketsphinx). Found:

* `two_cities.wav` and `beckett.wav` are one man, recorded, 54 s: the opening of "A Tale of Two Cities" (a
  LibriVox reading, public domain) and six sentences of Beckett.
* `clone-test.wav` is another person, recorded, 4 s, with a cut-off "um" at the end.
* `endgame_nagg_nell.wav` is a dialogue of two more voices, 28 s, made by a speech synthesizer (its makers
  publish the script). Here each voice is a recording of its own. Where the script has "We laugh less
  heartily" a second time, the voice drops the "We"; the text below is what is heard.
"""

from __future__ import annotations

import wave
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from agent.errors import LocalPartError
from local.live_track import resample

_PAUSE_SECONDS: Final = 0.6
"""Silence between two spans of a recording."""


@dataclass(frozen=True, slots=True)
class Recording:
    """One voice that says one text."""

    name: str
    file: str
    """Name of the WAV file in the wheel."""
    voice: str
    """Who speaks; recordings of the same voice sound like one person."""
    human: bool
    """False: the voice is synthesized."""
    text: str
    """What is said, word by word."""
    spans: tuple[tuple[float, float], ...] = ()
    """Parts of the file (start, end in seconds) that belong to this voice; empty: all of it."""


TWO_CITIES: Final = Recording(
    name="two_cities",
    file="two_cities.wav",
    voice="reader",
    human=True,
    text=(
        "It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of "
        "foolishness, it was the epoch of belief, it was the epoch of incredulity, it was the season of "
        "light, it was the season of darkness, it was the spring of hope, it was the winter of despair, we "
        "had everything before us, we had nothing before us, we were all going direct to heaven, we were all "
        "going direct the other way. In short, the period was so far like the present period, that some of "
        "its noisiest authorities insisted on its being received, for good or for evil, in the superlative "
        "degree of comparison only."
    ),
)

BECKETT: Final = Recording(
    name="beckett",
    file="beckett.wav",
    voice="reader",
    human=True,
    text="Ever tried. Ever failed. No matter. Try again. Fail again. Fail better.",
)

OPINION: Final = Recording(
    name="opinion",
    file="clone-test.wav",
    voice="guest",
    human=True,
    text="I do. I think that America could do it very well. Um.",
)

NAGG: Final = Recording(
    name="nagg",
    file="endgame_nagg_nell.wav",
    voice="nagg",
    human=False,
    text=(
        "Do you hear me? Do you hear me? We laugh less heartily, so we have still that resource. No, not "
        "heartily, just less heartily. What are you talking about? I thought you were in pain. Do you "
        "remember the day I went and fetched you from that ditch?"
    ),
    spans=(
        (0.0, 1.1),
        (2.4, 3.5),
        (4.75, 8.25),
        (11.9, 14.2),
        (17.5, 19.0),
        (20.3, 22.1),
        (23.65, 27.6),
    ),
)

NELL: Final = Recording(
    name="nell",
    file="endgame_nagg_nell.wav",
    voice="nell",
    human=False,
    text=(
        "Yes. Yes. Laugh less heartily, so we have still that resource? Ah, that's a good story, ah, that's "
        "a good story. Laughing. Not now. No."
    ),
    spans=(
        (1.5, 2.0),
        (3.85, 4.4),
        (8.6, 11.55),
        (14.55, 17.15),
        (19.3, 19.95),
        (22.4, 23.35),
        (27.9, 28.28),
    ),
)

RECORDINGS: Final = {recording.name: recording for recording in (TWO_CITIES, BECKETT, OPINION, NAGG, NELL)}
"""Every recording by name."""


def load(recording: Recording, sample_rate: int = 48_000) -> NDArray[np.int16]:
    """The sound of a recording: mono int16, shape (n,).

    Raises:
        LocalPartError: the moonshine-voice wheel is not installed.
    """
    with wave.open(str(_folder() / recording.file)) as file:
        rate = file.getframerate()
        pcm = np.frombuffer(file.readframes(file.getnframes()), dtype=np.int16)
    if recording.spans:
        silence = np.zeros(round(_PAUSE_SECONDS * rate), dtype=np.int16)
        parts = [pcm[round(start * rate) : round(end * rate)] for start, end in recording.spans]
        pcm = np.concatenate([sound for part in parts for sound in (part, silence)])
    return pcm if rate == sample_rate else resample(pcm, rate, sample_rate)


def _folder() -> Path:
    found = find_spec("moonshine_voice")
    if found is None or found.origin is None:
        raise LocalPartError(
            "the recorded voices are inside moonshine-voice==0.0.73 (later wheels have no model): run "
            "`make setup`, or pip install 'interview-transcription[local]'"
        )
    return Path(found.origin).parent / "assets"
