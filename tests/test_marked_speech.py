"""Marked speech: what is planned is heard again, exactly; nothing else is ever heard."""

from __future__ import annotations

import asyncio

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from livekit import rtc
from livekit.agents.vad import VADEventType
from livekit.plugins import silero
from numpy.typing import NDArray

from local.clips import RECORDINGS, load
from local.marked_code import word_tones
from local.marked_reading import read
from local.marked_speech import (
    WORD_SECONDS,
    WORDS,
    Clip,
    DecodedWord,
    Decoder,
    PlannedWord,
    sentences,
    synthesize,
    word_number,
    word_text,
)

RATE = 16_000
WORD_SAMPLES = round(WORD_SECONDS * RATE)
NUMBERS = st.integers(0, WORDS - 1)


def heard(pcm: NDArray[np.int16], chunk: int = 800) -> list[DecodedWord]:
    """Every word in 16 kHz audio that comes in chunks of `chunk` samples."""
    decoder = Decoder()
    return [word for at in range(0, len(pcm), chunk) for word in decoder.feed(pcm[at : at + chunk])]


def through_opus(pcm: NDArray[np.int16], bit_rate: int, application: str) -> NDArray[np.int16]:
    """48 kHz mono through libopus in 20 ms packets, then to 16 kHz: LiveKit's way of a voice."""
    encoder = av.CodecContext.create("libopus", "w")
    encoder.sample_rate, encoder.layout, encoder.format = 48_000, "mono", "s16"
    encoder.bit_rate = bit_rate
    encoder.options = {"application": application, "frame_duration": "20"}
    decoder = av.CodecContext.create("libopus", "r")
    decoder.sample_rate, decoder.layout = 48_000, "mono"
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
    parts = []
    for at in range(0, len(pcm) - 959, 960):
        frame = av.AudioFrame.from_ndarray(pcm[at : at + 960].reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate, frame.pts = 48_000, at
        for packet in encoder.encode(frame):
            for decoded in decoder.decode(packet):
                parts += [part.to_ndarray().reshape(-1) for part in resampler.resample(decoded)]
    return np.concatenate(parts)


def test_every_word_is_written_differently_and_read_back() -> None:
    """4,096 numbers, 4,096 texts, and back again, also with case and punctuation around."""
    texts = [word_text(number) for number in range(WORDS)]
    assert len(set(texts)) == WORDS
    assert [word_number(text) for text in texts] == list(range(WORDS))
    assert word_number(f" {texts[77].capitalize()}, ") == 77


@pytest.mark.parametrize("text", ["", "hello", "baba", "bababaxx", "ba ba"])
def test_other_texts_are_no_words(text: str) -> None:
    """A text that is no marked word is refused by name."""
    with pytest.raises(ValueError, match="no word of marked speech"):
        word_number(text)


@pytest.mark.parametrize("number", [-1, WORDS])
def test_numbers_out_of_range_are_refused(number: int) -> None:
    """There are words 0 to 4095 only."""
    with pytest.raises(ValueError, match=r"0\.\.4095"):
        word_text(number)


@settings(max_examples=30)
@given(
    words=st.lists(st.tuples(NUMBERS, st.floats(0.0, 0.5)), max_size=8),
    chunk=st.integers(1, 5_000),
)
def test_any_plan_is_heard_again_exactly(words: list[tuple[int, float]], chunk: int) -> None:
    """Any words with any gaps, in chunks of any size: the same words, start and end within 2.5 ms."""
    plan, at = [], 0.0
    for number, gap in words:
        at += gap
        plan.append(PlannedWord(number, at))
        at += WORD_SECONDS
    clip = synthesize(plan, RATE, tail_seconds=0.1)
    got = heard(clip.pcm, chunk)
    assert [word.number for word in got] == [word.number for word in clip.words]
    for word, said in zip(got, clip.words, strict=True):
        assert word.text == said.text
        assert word.start_sample / RATE == pytest.approx(said.start, abs=0.0025)
        assert word.end_sample / RATE == pytest.approx(said.end, abs=0.0025)


@settings(max_examples=60)
@given(number=NUMBERS, lost_start=st.integers(0, WORD_SAMPLES), lost_end=st.integers(0, WORD_SAMPLES))
def test_a_truncated_word_is_itself_or_nothing(number: int, lost_start: int, lost_end: int) -> None:
    """A word that lost more than a slot of its start or end is not heard; it never becomes another word."""
    sound = synthesize([PlannedWord(number, 0.0)], RATE, tail_seconds=0.0).pcm
    rest = sound[lost_start : len(sound) - lost_end]
    got = [word.number for word in heard(np.concatenate([rest, np.zeros(RATE, dtype=np.int16)]))]
    assert got in ([], [number])
    if max(lost_start, lost_end) > 640:
        assert got == []


@settings(max_examples=100)
@given(first=NUMBERS, second=NUMBERS, cut=st.integers(0, WORD_SAMPLES), back=st.integers(0, WORD_SAMPLES))
def test_two_words_cut_together_never_make_a_third(first: int, second: int, cut: int, back: int) -> None:
    """The beginning of one word and the end of another, at any cut: one of the two, or nothing."""
    pieces = [
        synthesize([PlannedWord(number, 0.0)], RATE, tail_seconds=0.0).pcm for number in (first, second)
    ]
    glued = np.concatenate([pieces[0][:cut], pieces[1][back:], np.zeros(RATE, dtype=np.int16)])
    assert {word.number for word in heard(glued)} <= {first, second}


@settings(max_examples=60)
@given(number=NUMBERS, lost_at=st.integers(0, WORD_SAMPLES - 960), lost=st.integers(0, 960))
def test_a_word_with_a_hole_is_still_that_word(number: int, lost_at: int, lost: int) -> None:
    """Up to 60 ms that were made up in a word, here as silence, leave it what it is, wherever they lie."""
    sound = synthesize([PlannedWord(number, 0.1)], RATE, tail_seconds=0.2).pcm
    first = round(0.1 * RATE) + lost_at
    sound[first : first + lost] = 0
    edge = lost_at < 640 or lost_at + lost > WORD_SAMPLES - 640
    got = [word.number for word in heard(sound)]
    assert got == [number] or (edge and got == [])


@given(number=NUMBERS, slot=st.integers(1, 8))
def test_a_word_with_a_made_up_slot_is_still_that_word(number: int, slot: int) -> None:
    """LiveKit conceals a loss by going on with what was before it: seen at a word's end marker."""
    sound = synthesize([PlannedWord(number, 0.0)], RATE, tail_seconds=0.2).pcm
    sound[slot * 640 : (slot + 1) * 640] = sound[(slot - 1) * 640 : slot * 640]
    assert [word.number for word in heard(sound)] == [number]


@given(numbers=st.tuples(NUMBERS, NUMBERS), made_up=st.integers(160, 320))
def test_an_end_marker_that_sounds_like_a_start_marker_still_ends_a_word(
    numbers: tuple[int, int], made_up: int
) -> None:
    """The two are neighbours, and what is made up lies between them: seen in the last 20 ms of a word."""
    first, second = numbers
    sound = synthesize([PlannedWord(first, 0.0), PlannedWord(second, 0.5)], RATE, tail_seconds=0.2).pcm
    sound[WORD_SAMPLES - made_up : WORD_SAMPLES] = sound[:made_up]
    assert [word.number for word in heard(sound)] == [first, second]


@given(numbers=st.tuples(NUMBERS, NUMBERS), kept=st.integers(2, 6), apart=st.integers(0, 32))
def test_two_rests_of_seven_slots_are_no_third_word(numbers: tuple[int, int], kept: int, apart: int) -> None:
    """The others of a word that lacks two slots lie where they belong."""
    first, second = word_tones(numbers[0])[:kept], word_tones(numbers[1])[kept + 2 :]
    looks = [tone for tone in first for _ in range(8)] + [-1] * apart
    reading = read(looks + [tone for tone in second for _ in range(8)])
    assert reading is None or reading.number in numbers


@pytest.mark.parametrize(
    ("text", "looks"),
    [
        ("pobaju", "32x15 -1x1 19x9 -1x10 9x9 24x8 5x8 20x4 19x4 -1x1 33x7"),
        (
            "pogote",
            "32x8 0x8 23x2 -1x4 0x14 -1x1 25x4 -1x3 14x2 13x2 25x3 24x2 -1x1 24x2 -1x3 14x8 -1x3 33x5",
        ),
        ("pomeku", "32x9 20x13 29x2 -1x1 0x6 -1x1 9x8 -1x1 21x3 20x2 -1x2 29x10 -1x1 0x3 -1x1 32x6 33x4"),
        ("bagopo", "32x8 22x8 -1x1 29x8 25x2 -1x1 25x2 26x2 9x8 -1x1 14x5 -1x2 5x8 -1x1 2x8 33x8"),
        ("bafiba", "32x9 4x8 9x8 12x8 17x9 -1x1 20x5 25x3 24x2 25x1 24x3 -1x1 27x1 28x5 33x11"),
        ("bakufi", "32x8 12x8 21x8 28x8 3x8 10x8 19x8 -1x1 19x1 -1x1 19x1 26x6 -1x1 33x1 32x1 33x4"),
    ],
)
def test_what_a_network_that_loses_packets_left_of_words_is_read(text: str, looks: str) -> None:
    """Tones and how often each was seen, 5 ms apart: heard when one packet in twenty was lost."""
    seen = [part.split("x") for part in looks.split()]
    reading = read([int(tone) for tone, times in seen for _ in range(int(times))])
    assert reading is not None
    assert word_text(reading.number) == text


@given(number=NUMBERS, other=NUMBERS, at=st.integers(640, WORD_SAMPLES - 1_920), made_up=st.integers(0, 400))
def test_a_word_with_a_wrong_tone_is_still_that_word(number: int, other: int, at: int, made_up: int) -> None:
    """A packet that was made up between its markers may sound like any tone, and be one slot too many."""
    sound, wrong = (
        synthesize([PlannedWord(one, 0.0)], RATE, tail_seconds=0.2).pcm for one in (number, other)
    )
    sound[at : at + made_up] = np.roll(wrong, -640)[at : at + made_up]
    assert [word.number for word in heard(sound)] == [number]


@given(number=NUMBERS, lost_at=st.integers(640, WORD_SAMPLES - 1_280))
def test_a_word_that_lacks_two_packets_is_still_that_word(number: int, lost_at: int) -> None:
    """40 ms that are not there between its markers: the jitter buffer goes on with what has come."""
    sound = synthesize([PlannedWord(number, 0.0)], RATE, tail_seconds=0.2).pcm
    cut = np.concatenate([sound[:lost_at], sound[lost_at + 640 :]])
    assert [word.number for word in heard(cut)] == [number]


def test_a_word_that_was_held_up_in_its_middle_is_heard() -> None:
    """Its rest comes 0.3 s later, at any place."""
    sound = synthesize([PlannedWord(2741, 0.1)], RATE, tail_seconds=0.2).pcm
    for at in range(1_600, 1_600 + WORD_SAMPLES, 80):
        held = np.concatenate([sound[:at], np.zeros(4_800, dtype=np.int16), sound[at:]])
        assert [word.number for word in heard(held)] == [2741], at


@pytest.mark.parametrize(("bit_rate", "application"), [(24_000, "voip"), (32_000, "audio")])
def test_words_survive_opus(bit_rate: int, application: str) -> None:
    """200 words through a real Opus encoder and decoder: all there, none other, times within 20 ms."""
    numbers = np.random.default_rng(bit_rate).permutation(WORDS)[:200].tolist()
    clip = synthesize(sentences(numbers, words_per_sentence=8, pause_seconds=0.6))
    got = heard(through_opus(clip.pcm, bit_rate, application))
    assert [word.number for word in got] == numbers
    for word, said in zip(got, clip.words, strict=True):
        assert word.start_sample / RATE == pytest.approx(said.start, abs=0.020)
        assert word.end_sample / RATE == pytest.approx(said.end, abs=0.020)


@pytest.mark.parametrize("name", sorted(RECORDINGS))
def test_people_say_no_marked_words(name: str) -> None:
    """In recorded speech nothing is heard."""
    assert heard(load(RECORDINGS[name], RATE)) == []


def test_noise_says_no_marked_words() -> None:
    """Ten seconds of loud noise hold no word."""
    noise = np.random.default_rng(0).normal(0, 8_000, 10 * RATE)
    assert heard(np.clip(noise, -32_768, 32_767).astype(np.int16)) == []


async def test_a_voice_detector_hears_speech_in_words_and_silence_in_pauses() -> None:
    """Silero: each sentence is one utterance, begun in its first word, ended in the 0.4 s pause after it."""
    clip = synthesize(sentences(range(40, 64), words_per_sentence=6, pause_seconds=0.4), RATE)
    events = await _utterances(clip, min_silence_seconds=0.25)
    assert len(events) == len(clip.sentences())
    for (started, ended), said in zip(events, clip.sentences(), strict=True):
        assert said[0].start < started < said[0].end
        assert said[-1].end < ended < said[-1].end + 0.4


async def _utterances(clip: Clip, min_silence_seconds: float) -> list[tuple[float, float]]:
    """When the detector said that speech starts and ends, in seconds of the clip."""
    detector = silero.VAD.load(min_silence_duration=min_silence_seconds)
    stream = detector.stream()
    for at in range(0, len(clip.pcm), 800):
        piece = clip.pcm[at : at + 800]
        stream.push_frame(rtc.AudioFrame(piece.tobytes(), RATE, 1, len(piece)))
    stream.end_input()
    starts, ends = [], []
    async with asyncio.timeout(20):
        async for event in stream:
            if event.type is VADEventType.START_OF_SPEECH:
                starts.append(event.timestamp)
            elif event.type is VADEventType.END_OF_SPEECH:
                ends.append(event.timestamp)
    await stream.aclose()
    return list(zip(starts, ends, strict=True))


def test_a_clip_knows_its_sentences() -> None:
    """Words and sentences lie where the plan says."""
    clip = synthesize(sentences(range(6), words_per_sentence=3, pause_seconds=1.0, start=0.5))
    assert [[word.number for word in sentence] for sentence in clip.sentences()] == [[0, 1, 2], [3, 4, 5]]
    assert [round(word.start, 2) for word in clip.words] == [0.5, 0.94, 1.38, 2.74, 3.18, 3.62]
    assert clip.sample_rate == 48_000
    assert clip.seconds == pytest.approx(3.62 + WORD_SECONDS + 1.0)


@pytest.mark.parametrize(
    ("plan", "sample_rate", "message"),
    [
        ([PlannedWord(1, 0.0), PlannedWord(2, 0.3)], 48_000, "words 1 and 2 overlap"),
        ([PlannedWord(1, -0.1)], 48_000, "before the clip"),
        ([PlannedWord(1, 0.0)], 8_000, "16000 Hz or more"),
    ],
)
def test_impossible_plans_are_refused(plan: list[PlannedWord], sample_rate: int, message: str) -> None:
    """The error names what cannot be."""
    with pytest.raises(ValueError, match=message):
        synthesize(plan, sample_rate)
