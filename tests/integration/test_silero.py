"""Silero called in line gives what the plugin's own stream gives."""

from __future__ import annotations

import numpy as np
from livekit import rtc
from livekit.agents.vad import VADEventType
from livekit.plugins import silero
from numpy.typing import NDArray

from agent.core.gate import SMOOTHING
from agent.rtc.silero import Detector, SileroModel
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
    """Window for window the same, through speech and long pauses."""
    clip = synthesize(
        sentences(range(20), words_per_sentence=4, pause_seconds=3.0), sample_rate=16_000, tail_seconds=1
    )
    ours = smoothed(feed(SileroModel().detector(), clip.pcm))
    theirs = await plugin_probabilities(clip.pcm)
    assert abs(len(ours) - len(theirs)) <= 1
    differences = [abs(a - b) for a, b in zip(ours, theirs, strict=False)]
    assert max(differences) < 1e-6


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
