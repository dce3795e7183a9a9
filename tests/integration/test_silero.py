"""Silero called in line gives what the plugin's own stream gives."""

from __future__ import annotations

import numpy as np
import pytest
from livekit import rtc
from livekit.agents.vad import VADEventType
from livekit.plugins import silero
from numpy.typing import NDArray

from agent.core.gate import SMOOTHING, WINDOW_SAMPLES
from agent.rtc import silero as silero_module
from agent.rtc.silero import (
    DEAF_WINDOWS,
    LOUD_WINDOWS,
    PRIMING_WINDOWS,
    SPEECH,
    Detector,
    SileroModel,
)
from local.clips import RECORDINGS, load
from local.marked_speech import sentences, synthesize

FRAME = 800


def feed(detector: Detector, pcm: NDArray[np.int16]) -> list[float]:
    probabilities: list[float] = []
    for start in range(0, len(pcm) - FRAME + 1, FRAME):
        probabilities += detector.feed(pcm[start : start + FRAME].tobytes())[0]
    return probabilities


def smoothed(probabilities: list[float]) -> list[float]:
    result: list[float] = []
    for one in probabilities:
        result.append(SMOOTHING * result[-1] + (1 - SMOOTHING) * one if result else one)
    return result


async def plugin_probabilities(pcm: NDArray[np.int16]) -> list[float]:
    vad = silero.VAD.load()  # held: the stream does not keep it alive
    stream = vad.stream()
    for start in range(0, len(pcm) - FRAME + 1, FRAME):
        stream.push_frame(rtc.AudioFrame(pcm[start : start + FRAME].tobytes(), 16_000, 1, FRAME))
    stream.end_input()
    return [event.probability async for event in stream if event.type == VADEventType.INFERENCE_DONE]


async def test_same_probabilities_as_the_plugin() -> None:
    """Window for window the same, through speech and long pauses, after the moment of silence."""
    clip = synthesize(
        sentences(range(20), words_per_sentence=4, pause_seconds=3.0), sample_rate=16_000, tail_seconds=1
    )
    ours = smoothed(feed(SileroModel().detector(), clip.pcm))
    first = np.zeros(PRIMING_WINDOWS * WINDOW_SAMPLES, np.int16)
    theirs = (await plugin_probabilities(np.concatenate([first, clip.pcm])))[PRIMING_WINDOWS:]
    assert abs(len(ours) - len(theirs)) <= 1
    differences = [abs(a - b) for a, b in zip(ours, theirs, strict=False)]
    assert max(differences) < 1e-3  # their smoothing has the silence behind it


def test_level_is_the_root_mean_square() -> None:
    """The level of a square wave is its amplitude; odd pieces are kept for the next frame."""
    detector = SileroModel().detector()
    wave = np.tile(np.array([1000, -1000], np.int16), 150)
    probabilities, level = detector.feed(wave.tobytes())
    assert probabilities == []
    assert abs(level - 1000) < 1
    probabilities, _ = detector.feed(wave.tobytes())
    assert len(probabilities) == 1
    assert detector.feed(b"") == ([], 0.0)


TALK = synthesize(sentences(range(24), words_per_sentence=4, pause_seconds=0.5), sample_rate=16_000)
DEAFENING = (57_048, 61_130, 61_650, 91_953, 95_034)
"""Samples of the talk, inside words: a state that begins there from nothing hears little of what follows."""


def hears(pcm: NDArray[np.int16], *, from_nothing: bool = False) -> list[bool]:
    """Whether each window of 32 ms that holds sound is speech."""
    detector = SileroModel().detector()
    if from_nothing:
        detector._network.reset()
    speech = []
    for at in range(0, len(pcm) - WINDOW_SAMPLES + 1, WINDOW_SAMPLES):
        (probability,), level = detector.feed(pcm[at : at + WINDOW_SAMPLES].tobytes())
        if level > 500:
            speech.append(probability > SPEECH)
    return speech


def test_speech_is_heard_by_who_begins_in_the_middle_of_it() -> None:
    """At any moment of a sentence: most of the sound is speech."""
    first, *_, last = TALK.sentences()[1]
    for start in range(round(first.start * 16_000), round(last.end * 16_000), 331):
        speech = hears(TALK.pcm[start : start + 3 * 16_000])
        assert sum(speech) > 0.85 * len(speech), start


@pytest.mark.parametrize("start", DEAFENING)
def test_a_deaf_state_is_replaced(start: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a second of loud sound that is no speech to it, and a fresh state hears the rest."""
    pcm = TALK.pcm[start : start + 6 * 16_000]
    speech = hears(pcm, from_nothing=True)
    assert sum(speech[DEAF_WINDOWS + LOUD_WINDOWS :]) > 0.9 * len(speech[DEAF_WINDOWS + LOUD_WINDOWS :])
    monkeypatch.setattr(silero_module, "HEARD_WINDOWS", -1)  # never replaced
    speech = hears(pcm, from_nothing=True)
    assert sum(speech) < 0.4 * len(speech)


@pytest.mark.parametrize("name", sorted(RECORDINGS))
def test_recorded_people_need_one_state(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither their pauses nor their rooms' noise look like deafness."""
    primed: list[int] = []
    prime = Detector._prime
    monkeypatch.setattr(
        Detector, "_prime", lambda self, windows: (primed.append(len(windows)), prime(self, windows))
    )
    feed(SileroModel().detector(), load(RECORDINGS[name], 16_000))
    assert primed == [PRIMING_WINDOWS]


@pytest.mark.parametrize("level", [50, 150, 300, 600, 1500])
def test_noise_is_not_taken_for_speech(level: int) -> None:
    """Twenty seconds of white noise, begun at once and in bursts of a second."""
    noise = np.random.default_rng(level).normal(0, level, 20 * 16_000).astype(np.int16)
    assert max(feed(SileroModel().detector(), noise)) < 0.5
    bursts = noise * (np.arange(len(noise)) // 16_000 % 2).astype(np.int16)
    speech = [one for one in smoothed(feed(SileroModel().detector(), bursts)) if one >= 0.5]
    assert len(speech) <= 1, speech  # one window alone is no onset to the gate
