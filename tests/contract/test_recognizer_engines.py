"""The Moonshine engine: how it cuts and paces; real speech through the official SDK and the plugin."""

from __future__ import annotations

import asyncio
import base64
import queue
import threading
from collections.abc import AsyncIterator
from itertools import pairwise

import aiohttp
import jiwer
import numpy as np
import pytest
from elevenlabs import AudioFormat, ElevenLabs, RealtimeEvents
from hypothesis import given, settings
from hypothesis import strategies as st
from livekit import rtc
from livekit.agents.stt import SpeechEventType
from livekit.plugins import elevenlabs
from numpy.typing import NDArray

from agent.errors import LocalPartError
from local.clips import BECKETT, OPINION, Recording, load
from local.recognizer.engines import ENGINES
from local.recognizer.engines.engine import ENGINE_RATE, Engine, EngineEvent, Failed, Final, Interim
from local.recognizer.engines.lanes import Lanes
from local.recognizer.engines.lines import Decode, Line, Lines, timed_words
from local.recognizer.engines.moonshine import MoonshineEngine, MoonshineStream
from local.recognizer.server import RecognizerServer
from local.recognizer.voice import STEP
from tests.contract.recognizer_client import client

MAX_WORD_ERROR_RATE = 0.25
SPEECH, SILENCE = 0.9, 0.05


def plain(text: str) -> str:
    """Lower case, no punctuation."""
    kept = "".join(letter if letter.isalnum() or letter == "'" else " " for letter in text.lower())
    return " ".join(kept.split())


def hear(lines: Lines, probability: float, seconds: float) -> list[Decode]:
    """Let `seconds` of audio with one probability of speech pass."""
    steps = round(seconds * ENGINE_RATE / STEP)
    return [
        decode for _ in range(steps) for decode in lines.hear(np.zeros(STEP, dtype=np.int16), [probability])
    ]


def finals(decodes: list[Decode]) -> list[Decode]:
    """Those of lines that have ended."""
    return [decode for decode in decodes if decode.final]


class TestLines:
    """Cutting audio into lines: probabilities in, decodes out."""

    def test_a_pause_ends_a_line(self) -> None:
        """Two sentences with 0.8 s between them are two lines, each with a little silence around."""
        lines = Lines()
        decodes = hear(lines, SILENCE, 1) + hear(lines, SPEECH, 2) + hear(lines, SILENCE, 0.8)
        decodes += hear(lines, SPEECH, 1) + lines.commit(1)
        first, second = finals(decodes)
        assert first.line.start / ENGINE_RATE == pytest.approx(0.8, abs=0.04)
        assert len(first.pcm) / ENGINE_RATE == pytest.approx(2.4, abs=0.07)
        assert len(second.pcm) / ENGINE_RATE == pytest.approx(1.2, abs=0.07)

    def test_an_open_line_is_decoded_every_half_second_of_speech(self) -> None:
        """2.2 s of speech: four interims, each of the whole line so far."""
        decodes = hear(Lines(), SPEECH, 2.2)
        assert [decode.final for decode in decodes] == [False] * 4
        assert [len(decode.pcm) / ENGINE_RATE for decode in decodes] == pytest.approx(
            [0.5, 1.0, 1.5, 2.0], abs=0.07
        )

    def test_finished_lines_are_not_decoded_again(self) -> None:
        """After a pause only the new line is decoded; the text of both is shown."""
        lines = Lines()
        (done,) = finals(hear(lines, SPEECH, 2) + hear(lines, SILENCE, 0.8))
        lines.decoded(done, "First line.")
        decodes = hear(lines, SPEECH, 0.6)
        assert [decode.line is done.line for decode in decodes] == [False]
        lines.decoded(decodes[0], "Second")
        assert lines.interim_text() == "First line. Second"

    def test_a_line_without_text_hides_what_follows(self) -> None:
        """An interim never reads as if nothing were missing in its middle."""
        lines = Lines()
        hear(lines, SPEECH, 1)
        hear(lines, SILENCE, 0.8)
        (decode,) = hear(lines, SPEECH, 0.6)
        lines.decoded(decode, "later")
        assert lines.interim_text() == ""

    def test_noise_and_clicks_are_answered_empty(self) -> None:
        """Silence has no line, and 64 ms of sound are too short for one."""
        lines = Lines()
        decodes = hear(lines, SILENCE, 1) + hear(lines, SPEECH, 0.064) + hear(lines, SILENCE, 1)
        assert decodes + lines.commit(1) == []
        assert lines.answers() == [Final(1, (), "en")]

    def test_a_talker_who_never_pauses_is_cut_at_the_quietest_point(self) -> None:
        """Lines of at most 12 s, that follow each other without a hole."""
        lines = Lines()
        decodes = hear(lines, SPEECH, 10) + hear(lines, 0.4, 0.1) + hear(lines, SPEECH, 15)
        cut = [decode.line for decode in finals(decodes + lines.commit(1))]
        assert cut[0].end / ENGINE_RATE == pytest.approx(10.05, abs=0.1)
        assert all(after.start == before.end for before, after in pairwise(cut))
        assert all(line.end - line.start <= 12 * ENGINE_RATE for line in cut)

    def test_commits_are_answered_in_their_order(self) -> None:
        """The second utterance is ready first and waits for the first."""
        lines = Lines()
        hear(lines, SPEECH, 1)
        (first,) = lines.commit(1)
        hear(lines, SPEECH, 1)
        (second,) = lines.commit(2)
        lines.decoded(second, "two")
        assert lines.answers() == []
        lines.decoded(first, "one")
        assert [
            [word.text for word in answer.words] for answer in lines.answers() if isinstance(answer, Final)
        ] == [
            ["one"],
            ["two"],
        ]

    def test_a_failed_line_fails_its_commit(self) -> None:
        """The answer says why; the next commit is answered as usual."""
        lines = Lines()
        hear(lines, SPEECH, 1)
        (decode,) = lines.commit(1)
        lines.failed(decode, "out of memory")
        lines.commit(2)
        assert lines.answers() == [Failed(1, "out of memory"), Final(2, (), "en")]

    def test_word_times_lie_inside_the_speech(self) -> None:
        """Words share the voiced spans by length, never the pause between them."""
        line = Line(0, 4 * ENGINE_RATE, [(0, ENGINE_RATE), (3 * ENGINE_RATE, 4 * ENGINE_RATE)], "abc def")
        assert [(word.text, word.start, word.end) for word in timed_words(line)] == [
            ("abc", 0.0, 1.0),
            ("def", 3.0, 4.0),
        ]

    @settings(max_examples=60)
    @given(
        script=st.lists(
            st.one_of(
                st.tuples(st.sampled_from([SPEECH, 0.4, SILENCE]), st.integers(1, 120)), st.just("commit")
            ),
            max_size=25,
        ),
        extra=st.integers(0, STEP - 1),
        order=st.randoms(use_true_random=False),
    )
    def test_any_audio_is_answered_once_and_in_order(
        self, script: list[tuple[float, int] | str], extra: int, order: object
    ) -> None:
        """Whatever is heard: one answer per commit, its words in order of time and inside its audio."""
        lines = Lines()
        lines.hear(np.zeros(extra, dtype=np.int16), [])
        open_decodes: list[Decode] = []
        heard, ends, answers = extra, [0.0], []
        for step in [*script, "commit"]:
            if isinstance(step, str):
                open_decodes += finals(lines.commit(len(ends)))
                ends.append(heard / ENGINE_RATE)
            else:
                probability, steps = step
                heard += steps * STEP
                open_decodes += finals(
                    lines.hear(np.zeros(steps * STEP, dtype=np.int16), [probability] * steps)
                )
        order.shuffle(open_decodes)  # type: ignore[attr-defined]
        for decode in open_decodes:
            lines.decoded(decode, "some words here")
            assert len(decode.pcm) == decode.line.end - decode.line.start > 0
            answers += lines.answers()
        answers += lines.answers()
        assert [answer.number for answer in answers] == list(range(1, len(ends)))
        for answer in answers:
            assert isinstance(answer, Final)
            times = [time for word in answer.words for time in (word.start, word.end)]
            assert times == sorted(times)
            assert all(ends[answer.number - 1] - 1e-9 <= time <= ends[answer.number] + 1e-9 for time in times)


class _GatedDecoder:
    """Audio of n samples is decoded to "n", once the gate of that number, if there is one, is opened."""

    def __init__(self) -> None:
        self.gates: dict[int, threading.Event] = {}
        self.begun = queue.Queue[int]()

    def text_of(self, pcm: NDArray[np.int16]) -> str:
        self.begun.put(len(pcm))
        gate = self.gates.get(len(pcm))
        if gate is not None and not gate.wait(5):
            raise LocalPartError("the test did not open the gate")
        return str(len(pcm))

    def close(self) -> None:
        """Nothing to free."""


class _LaneDecoder:
    """Decodes one line in a lane for each permit that the lane was given."""

    def __init__(self) -> None:
        self.permits = {
            "recognizer finals": threading.Semaphore(0),
            "recognizer interims": threading.Semaphore(0),
        }
        self.begun = queue.Queue[str]()

    def text_of(self, pcm: NDArray[np.int16]) -> str:
        lane = threading.current_thread().name
        self.begun.put(lane)
        if not self.permits[lane].acquire(timeout=5):
            raise LocalPartError("the test gave no permit")
        return f"{len(pcm)} samples"

    def open(self) -> None:
        """Let everything through from now on."""
        for permit in self.permits.values():
            permit.release(1_000)

    def close(self) -> None:
        """Nothing to free."""


class TestLanes:
    """Finals first, interims when there is room."""

    def test_a_final_does_not_wait_for_an_interim(self) -> None:
        """While an interim is being decoded, and another waits, a final is done."""
        decoder, done = _GatedDecoder(), queue.Queue[str]()
        decoder.gates[1] = threading.Event()
        lanes = Lanes(lambda: decoder)
        lanes.interim("a", np.zeros(1, dtype=np.int16), lambda text: done.put(f"interim {text}"))
        lanes.interim("b", np.zeros(2, dtype=np.int16), lambda text: done.put(f"interim {text}"))
        lanes.final(np.zeros(3, dtype=np.int16), lambda text: done.put(f"final {text}"))
        assert done.get(timeout=5) == "final 3"
        decoder.gates[1].set()
        assert [done.get(timeout=5), done.get(timeout=5)] == ["interim 1", "interim 2"]
        lanes.close()

    def test_both_lanes_take_finals_first(self) -> None:
        """When the lane of the interims is free again it takes a final before an older interim."""
        decoder, done = _GatedDecoder(), queue.Queue[str]()
        decoder.gates.update({1: threading.Event(), 2: threading.Event()})
        lanes = Lanes(lambda: decoder)
        lanes.interim("a", np.zeros(1, dtype=np.int16), lambda _: None)
        assert decoder.begun.get(timeout=5) == 1
        lanes.final(np.zeros(2, dtype=np.int16), lambda _: None)
        assert decoder.begun.get(timeout=5) == 2
        lanes.interim("b", np.zeros(3, dtype=np.int16), lambda text: done.put(f"interim {text}"))
        lanes.final(np.zeros(4, dtype=np.int16), lambda text: done.put(f"final {text}"))
        decoder.gates[1].set()
        assert [done.get(timeout=5), done.get(timeout=5)] == ["final 4", "interim 3"]
        decoder.gates[2].set()
        lanes.close()

    def test_a_newer_interim_replaces_the_older(self) -> None:
        """Of one stream only the newest waiting interim is decoded, of a closed stream none."""
        decoder, done = _GatedDecoder(), queue.Queue[str]()
        decoder.gates[1] = threading.Event()
        lanes = Lanes(lambda: decoder)
        lanes.interim("a", np.zeros(1, dtype=np.int16), lambda text: done.put(str(text)))
        assert decoder.begun.get(timeout=5) == 1
        for samples in (2, 3, 4):
            lanes.interim("a", np.zeros(samples, dtype=np.int16), lambda text: done.put(str(text)))
        lanes.interim("b", np.zeros(5, dtype=np.int16), lambda text: done.put(str(text)))
        lanes.forget("b")
        decoder.gates[1].set()
        assert [done.get(timeout=5), done.get(timeout=5)] == ["1", "4"]
        lanes.close()
        assert done.empty()

    def test_a_failed_decode_is_told(self) -> None:
        """The caller gets the error as the outcome, and the lane goes on."""
        decoder, done = _GatedDecoder(), queue.Queue[object]()

        def broken(pcm: NDArray[np.int16]) -> str:
            raise LocalPartError("the model broke")

        decoder.text_of = broken  # type: ignore[method-assign]
        lanes = Lanes(lambda: decoder)
        for _ in range(2):
            lanes.final(np.zeros(1, dtype=np.int16), done.put)
            assert str(done.get(timeout=5)) == "the model broke"
        lanes.close()

    def test_a_lane_outlives_any_fault(self) -> None:
        """An error of any kind is a failed decode, and a caller that is gone does not matter."""
        decoder, done = _GatedDecoder(), queue.Queue[object]()
        text_of = decoder.text_of

        def broken(pcm: NDArray[np.int16]) -> str:
            if len(pcm) == 1:
                raise ValueError("the model broke")
            return text_of(pcm)

        def gone(_outcome: object) -> None:
            raise RuntimeError("Event loop is closed")

        decoder.text_of = broken  # type: ignore[method-assign]
        lanes = Lanes(lambda: decoder)
        for samples, told in ((1, done.put), (2, gone), (1, done.put), (3, done.put)):
            lanes.final(np.zeros(samples, dtype=np.int16), told)
        assert sorted(str(done.get(timeout=5)) for _ in range(3)) == [
            "3",
            "the engine failed: ValueError",
            "the engine failed: ValueError",
        ]
        lanes.close()


class _Loud:
    """Takes everything for speech."""

    def feed(self, pcm: NDArray[np.int16]) -> list[float]:
        return [1.0] * (len(pcm) // STEP)


async def test_a_commit_is_answered_when_there_is_no_room_for_its_line() -> None:
    """The lanes are full: the utterance has failed, and whoever waits for its answer learns so."""
    decoder, said = _GatedDecoder(), asyncio.Queue[EngineEvent]()
    gate = decoder.gates[1] = threading.Event()
    lanes = Lanes(lambda: decoder)
    for _ in range(2):
        lanes.final(np.zeros(1, dtype=np.int16), lambda _text: None)
        assert decoder.begun.get(timeout=5) == 1  # each lane is busy
    with pytest.raises(LocalPartError, match="too slow"):
        for _ in range(2_000):
            lanes.final(np.zeros(1, dtype=np.int16), lambda _text: None)
    stream = MoonshineStream(lanes, said.put_nowait)
    stream._voice = _Loud()  # type: ignore[assignment]
    stream.hear(np.ones(ENGINE_RATE, dtype=np.int16))
    stream.commit(7)
    async with asyncio.timeout(5):
        while not isinstance(answer := await said.get(), Failed):
            pass
    assert answer.number == 7
    stream.close()
    gate.set()
    lanes.close()


@pytest.fixture(scope="module")
def moonshine() -> Engine:
    """The engine by its registered name; each server loads and closes it."""
    return ENGINES["moonshine"]()


@pytest.fixture
async def server(moonshine: Engine) -> AsyncIterator[RecognizerServer]:
    """A server with Moonshine behind it."""
    async with RecognizerServer(moonshine) as running:
        yield running


class TestMoonshine:
    """Real speech."""

    @pytest.mark.parametrize("recording", [BECKETT, OPINION], ids=lambda recording: recording.name)
    async def test_the_official_sdk_transcribes_a_clip(
        self, server: RecognizerServer, recording: Recording
    ) -> None:
        """ElevenLabs' own Python client, pointed at the server by base_url: word error rate <= 0.25."""
        sdk = ElevenLabs(api_key="any", base_url=server.base_url.removesuffix("/v1"))
        connection = await sdk.speech_to_text.realtime.connect(
            {
                "model_id": "scribe_v2_realtime",
                "audio_format": AudioFormat.PCM_16000,
                "sample_rate": 16_000,
                "include_timestamps": True,
                "language_code": "en",
            }
        )
        final: asyncio.Future[dict[str, object]] = asyncio.get_running_loop().create_future()
        connection.on(RealtimeEvents.COMMITTED_TRANSCRIPT_WITH_TIMESTAMPS, final.set_result)
        pcm = load(recording, 16_000)
        for at in range(0, len(pcm), 1_600):
            audio = base64.b64encode(pcm[at : at + 1_600].tobytes()).decode()
            await connection.send({"audio_base_64": audio})
        await connection.commit()
        async with asyncio.timeout(30):
            answer = await final
        await connection.close()
        assert jiwer.wer(plain(recording.text), plain(str(answer["text"]))) <= MAX_WORD_ERROR_RATE

    async def test_the_plugin_gets_words_with_times(self, server: RecognizerServer) -> None:
        """livekit-plugins-elevenlabs with this base_url: interims, then a final with words in the clip."""
        pcm = load(BECKETT, 16_000)
        async with aiohttp.ClientSession() as http:
            stt = elevenlabs.STT(
                base_url=server.base_url,
                api_key="any",
                model="scribe_v2_realtime",
                include_timestamps=True,
                language_code="en",
                http_session=http,
            )
            stream = stt.stream()
            for at in range(0, len(pcm), 800):
                piece = pcm[at : at + 800]
                stream.push_frame(rtc.AudioFrame(piece.tobytes(), 16_000, 1, len(piece)))
            async with asyncio.timeout(30):
                async for event in stream:
                    if event.type is SpeechEventType.INTERIM_TRANSCRIPT:
                        break
                stream.flush()  # a commit that comes before the first partial text would replace it
                async for event in stream:
                    if event.type is SpeechEventType.FINAL_TRANSCRIPT:
                        break
            await stream.aclose()
        final = event.alternatives[0]
        assert jiwer.wer(plain(BECKETT.text), plain(final.text)) <= MAX_WORD_ERROR_RATE
        assert final.words is not None
        starts = [word.start_time for word in final.words]
        assert starts == sorted(starts)
        # "Ever tried" begins 0.3 s into the clip, "Fail better" ends about 1 s before its end
        assert 0.2 < float(starts[0]) < 0.6
        assert 8.5 < float(final.words[-1].end_time) < len(pcm) / 16_000

    async def test_noise_is_answered_empty(self, server: RecognizerServer) -> None:
        """No invented words for silence, noise and hum."""
        seconds = np.arange(3 * ENGINE_RATE) / ENGINE_RATE
        noise = np.random.default_rng(0).normal(0, 2_000, len(seconds))
        hum = 3_000 * np.sin(2 * np.pi * 100 * seconds)
        async with client(server) as one:
            for sound in (0 * seconds, noise, hum):
                await one.say(sound.astype(np.int16))
                assert (await one.until("committed_transcript_with_timestamps"))["words"] == []

    async def test_a_long_chunk_does_not_hold_up_the_loop(self) -> None:
        """Ten seconds of audio in one piece are looked at in turns; the loop runs in between."""
        engine = MoonshineEngine()
        await asyncio.to_thread(engine.load)
        events: asyncio.Queue[EngineEvent] = asyncio.Queue()
        stream = engine.open("en", events.put_nowait)
        stream.hear(load(BECKETT, 16_000))
        stream.commit(1)
        turns = 0
        while events.empty() or not isinstance(await events.get(), Final):
            turns += 1
            await asyncio.sleep(0)
        assert turns >= 9
        stream.close()
        await asyncio.to_thread(engine.close)

    async def test_interims_wait_for_the_answer_before_them(self) -> None:
        """What is said after a commit is shown after that commit's final, though it is decoded before."""
        decoder = _LaneDecoder()
        lanes = Lanes(lambda: decoder)
        events: asyncio.Queue[EngineEvent] = asyncio.Queue()
        stream = MoonshineStream(lanes, events.put_nowait)
        pcm = load(OPINION, 16_000)
        async with asyncio.timeout(10):
            stream.hear(pcm)
            assert await asyncio.to_thread(decoder.begun.get, timeout=5) == "recognizer interims"
            stream.commit(1)
            assert await asyncio.to_thread(decoder.begun.get, timeout=5) == "recognizer finals"
            stream.hear(pcm)
            for _ in range(20):
                await asyncio.sleep(0)  # the stream looks at one second of audio a turn
            decoder.permits["recognizer interims"].release()  # the one of the first utterance
            assert await asyncio.to_thread(decoder.begun.get, timeout=5) == "recognizer interims"
            decoder.permits["recognizer interims"].release()
            await asyncio.sleep(0.05)  # what is decoded reaches the stream, and nothing shows it
            assert events.empty()
            decoder.permits["recognizer finals"].release()
            assert isinstance(await events.get(), Final)
            assert isinstance(await events.get(), Interim)
        decoder.open()
        stream.close()
        await asyncio.to_thread(lanes.close)

    async def test_a_closed_stream_is_silent(self) -> None:
        """A client that leaves in the middle of a decode gets no more events, and nobody else suffers."""
        engine = MoonshineEngine()
        await asyncio.to_thread(engine.load)
        leaving: list[EngineEvent] = []
        staying: asyncio.Queue[EngineEvent] = asyncio.Queue()

        def leave(event: EngineEvent) -> None:
            leaving.append(event)
            one.close()
            one.close()

        one, other = engine.open("en", leave), engine.open("en", staying.put_nowait)
        pcm = load(BECKETT, 16_000)
        for stream in (one, other):
            stream.hear(pcm)
            stream.commit(1)
        async with asyncio.timeout(20):
            while isinstance(await staying.get(), Interim):
                pass
        assert len(leaving) == 1
        other.close()
        await asyncio.to_thread(engine.close)

    async def test_an_engine_must_be_loaded(self) -> None:
        """The error is ours, not an AttributeError."""
        with pytest.raises(LocalPartError, match="not loaded"):
            MoonshineEngine().open(None, print)
