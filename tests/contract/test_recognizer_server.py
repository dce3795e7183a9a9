"""The local recognizer over its socket: exact words, who gets in, how sessions and the program end."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import numpy as np
import pytest
from numpy.typing import NDArray

from agent.errors import LocalPartError
from local.live_track import resample
from local.marked_speech import PlannedWord, sentences, synthesize
from local.recognizer.audio import ULAW
from local.recognizer.engines.scripted import ScriptedEngine
from local.recognizer.server import RecognizerServer
from local.recognizer.session import Limits
from tests.conftest import ROOT
from tests.contract.recognizer_client import client, root, url, wait_until

RATE = 16_000
CLIP = synthesize(sentences(range(100, 104), words_per_sentence=4, pause_seconds=1.0), RATE, tail_seconds=0.3)
TEXT = " ".join(word.text for word in CLIP.words)
SECOND = np.zeros(RATE, dtype=np.int16)


@pytest.fixture
async def server() -> AsyncIterator[RecognizerServer]:
    """A server with the scripted engine that answers at once."""
    async with RecognizerServer(ScriptedEngine(answer_delay_seconds=0.0)) as running:
        yield running


def spoken(message: dict[str, Any]) -> list[tuple[str, float, float]]:
    """The words of a message with timestamps, spacing left out."""
    return [(word["text"], word["start"], word["end"]) for word in message["words"] if word["type"] == "word"]


class TestScripted:
    """Known audio in, known words out."""

    async def test_words_come_back_exactly(self, server: RecognizerServer) -> None:
        """Interims grow word by word; the final has every word within 2.5 ms of its place."""
        async with client(server) as one:
            await one.say(CLIP.pcm)
            final = await one.until("committed_transcript_with_timestamps")
        partials = [m["text"] for m in one.messages if m["message_type"] == "partial_transcript"]
        assert partials == [" ".join(TEXT.split()[:count]) for count in range(1, 5)]
        assert final["text"] == TEXT
        for (text, start, end), word in zip(spoken(final), CLIP.words, strict=True):
            assert text == word.text
            assert (start, end) == pytest.approx((word.start, word.end), abs=0.0025)

    async def test_times_go_on_over_commits(self, server: RecognizerServer) -> None:
        """Seconds of audio are counted over the whole session, silence and earlier utterances included."""
        async with client(server) as one:
            for number in range(3):
                clip = synthesize([PlannedWord(number, 0.2)], RATE, tail_seconds=0.44)
                await one.say(clip.pcm)
                final = await one.until("committed_transcript_with_timestamps")
                ((_, start, _),) = spoken(final)
                assert start == pytest.approx(number * 1.0 + 0.2, abs=0.0025)

    async def test_silence_is_answered_empty(self, server: RecognizerServer) -> None:
        """A commit of silence has an answer, with no words."""
        async with client(server) as one:
            await one.say(SECOND)
            assert (await one.until("committed_transcript"))["text"] == ""
            assert (await one.next())["words"] == []

    @pytest.mark.parametrize("rate", [22_050, 24_000, 44_100, 48_000])
    async def test_other_rates_are_resampled(self, server: RecognizerServer, rate: int) -> None:
        """The same words at the same times, whatever rate the client sends."""
        pcm = resample(CLIP.pcm, RATE, rate)
        async with client(server, audio_format=f"pcm_{rate}") as one:
            await one.say(pcm)
            final = await one.until("committed_transcript_with_timestamps")
        for (text, start, _), word in zip(spoken(final), CLIP.words, strict=True):
            assert text == word.text
            assert start == pytest.approx(word.start, abs=0.02)

    async def test_ulaw_is_understood(self, server: RecognizerServer) -> None:
        """8 kHz holds no marked words, but its seconds count: one byte a sample."""
        async with client(server, audio_format="ulaw_8000") as one:
            await one.send(b"\xff" * 8_000, commit=True)
            assert (await one.until("committed_transcript"))["text"] == ""
        await wait_until(lambda: server.counters.as_json()["open_sessions"] == 0)
        assert server.counters.as_json()["audio_seconds"] == 1.0

    async def test_two_sessions_do_not_touch(self, server: RecognizerServer) -> None:
        """Two speakers at once: each gets its own words."""
        clips = [
            synthesize(sentences(range(n, n + 5), words_per_sentence=5, pause_seconds=1.0), RATE)
            for n in (0, 9)
        ]
        async with client(server) as one, client(server) as other:
            for at in range(0, len(clips[0].pcm), 800):
                await one.send(clips[0].pcm[at : at + 800].tobytes())
                await other.send(clips[1].pcm[at : at + 800].tobytes())
            for session, clip in ((one, clips[0]), (other, clips[1])):
                await session.send(commit=True)
                final = await session.until("committed_transcript")
                assert final["text"] == " ".join(word.text for word in clip.words)

    async def test_the_answer_comes_after_its_delay(self) -> None:
        """The delay of the engine is kept, and interims do not wait for it."""
        async with (
            RecognizerServer(ScriptedEngine(answer_delay_seconds=0.3)) as server,
            client(server) as one,
        ):
            await one.say(CLIP.pcm)
            await one.until("partial_transcript")
            begin = asyncio.get_running_loop().time()
            await one.until("committed_transcript")
            assert asyncio.get_running_loop().time() - begin > 0.2


class TestVadStrategy:
    """commit_strategy=vad: the server commits when it hears silence."""

    async def test_pauses_commit(self, server: RecognizerServer) -> None:
        """Each sentence is answered by itself, without any commit of the client."""
        clip = synthesize(sentences(range(6), words_per_sentence=3, pause_seconds=1.0), RATE)
        async with client(server, commit_strategy="vad", vad_silence_threshold_secs="0.5") as one:
            await one.say(clip.pcm, commit=False)
            finals = [(await one.until("committed_transcript"))["text"] for _ in range(2)]
        assert finals == [" ".join(word.text for word in sentence) for sentence in clip.sentences()]

    async def test_silence_commits_nothing(self, server: RecognizerServer) -> None:
        """Without speech there is no commit, however long."""
        async with client(server, commit_strategy="vad", vad_silence_threshold_secs="0.3") as one:
            await one.say(np.zeros(5 * RATE, dtype=np.int16), commit=False)
            await one.send(commit=True)
            await one.until("committed_transcript")
            assert server.counters.as_json()["commits"] == 1


class TestDoors:
    """Who gets in, and how a session ends."""

    async def test_both_forms_of_the_url(self, server: RecognizerServer) -> None:
        """The plugin's base URL has /v1, the SDK adds one of its own."""
        root = server.base_url.removesuffix("/v1")
        query = "model_id=scribe_v2_realtime"
        async with aiohttp.ClientSession() as http:
            for base in (root, f"{root}/v1", f"{root}/v1/v1"):
                async with http.ws_connect(f"{base}/speech-to-text/realtime?{query}") as ws:
                    assert (await ws.receive_json())["message_type"] == "session_started"

    async def test_health(self, server: RecognizerServer) -> None:
        """GET /health says which engine is there."""
        async with aiohttp.ClientSession() as http, http.get(f"{root(server)}/health") as answer:
            assert await answer.json() == {"status": "ok", "engine": "scripted", "open_sessions": 0}

    async def test_a_wrong_query_is_told_and_closed(self, server: RecognizerServer) -> None:
        """invalid_request names the parameter, then the session is closed with 1008."""
        async with aiohttp.ClientSession() as http, http.ws_connect(url(server, vad_threshold="7")) as ws:
            message = await ws.receive_json()
            assert message["message_type"] == "invalid_request"
            assert "vad_threshold" in message["error"]
            assert (await ws.receive()).type is aiohttp.WSMsgType.CLOSE
            assert ws.close_code == 1008

    async def test_keys(self) -> None:
        """No key: HTTP 401. A wrong one: auth_error and a close. The right one, as header or token: in."""
        async with RecognizerServer(ScriptedEngine(), api_key="right") as server:
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                async with client(server):
                    pass
            assert refused.value.status == 401
            async with client(server, headers={"xi-api-key": "wröng"}) as one:
                assert one.messages[0]["message_type"] == "auth_error"
                assert await one.closed() == 1008
            async with client(server, headers={"xi-api-key": "right"}) as one:
                assert one.messages[0]["message_type"] == "session_started"
            async with client(server, token="right") as one:
                assert one.messages[0]["message_type"] == "session_started"

    async def test_a_full_server_says_when_to_come_back(self) -> None:
        """HTTP 429 with Retry-After; a session that ends makes room."""
        async with RecognizerServer(ScriptedEngine(), max_sessions=1) as server:
            async with client(server):
                with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                    async with client(server):
                        pass
                assert refused.value.status == 429
                assert refused.value.headers is not None
                assert refused.value.headers["Retry-After"] == "1"
            await wait_until(lambda: not server.counters.open)
            async with client(server):
                pass

    async def test_idle_and_time_limit(self) -> None:
        """An idle session ends with 1000, one at its limit with an error and 1008."""
        async with (
            RecognizerServer(ScriptedEngine(), limits=Limits(idle_seconds=0.1)) as server,
            client(server) as one,
        ):
            assert await one.closed() == 1000
        async with (
            RecognizerServer(ScriptedEngine(), limits=Limits(session_seconds=0.1)) as server,
            client(server) as one,
        ):
            assert (await one.next())["message_type"] == "session_time_limit_exceeded"
            assert await one.closed() == 1008

    async def test_errors_of_the_client_are_told(self, server: RecognizerServer) -> None:
        """Binary frames and nonsense get an input_error; the session goes on."""
        async with client(server) as one:
            await one.ws.send_bytes(b"\0\0")
            await one.ws.send_str("{")
            assert [(await one.next())["message_type"] for _ in range(2)] == ["input_error"] * 2
            await one.say(CLIP.pcm)
            assert (await one.until("committed_transcript"))["text"] == TEXT

    async def test_a_taken_port_is_named(self, server: RecognizerServer) -> None:
        """The error says which port, and what to do."""
        port = int(server.base_url.split(":")[2].split("/")[0])
        with pytest.raises(LocalPartError, match=f"port {port}.*choose another"):
            async with RecognizerServer(ScriptedEngine(), port=port):
                pass

    async def test_the_end_of_the_server_ends_sessions(self) -> None:
        """Clients are told with code 1001."""
        async with RecognizerServer(ScriptedEngine()) as server:
            ending = client(server)
            one = await ending.__aenter__()
            listening = asyncio.create_task(one.closed())
            await asyncio.sleep(0)
            await server.aclose()
            assert await listening == 1001
            await ending.__aexit__(None, None, None)


class TestProgram:
    """python -m local.recognizer."""

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    async def test_it_gets_ready_serves_and_ends(self, number: signal.Signals) -> None:
        """One line on stdout when it listens; a signal ends it with code 0."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "local.recognizer", "--engine", "scripted", "--answer-delay", "0"),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        assert process.stdout is not None
        try:
            async with asyncio.timeout(20):
                line = (await process.stdout.readline()).decode().split()
                assert line[0] == "ready"
                async with aiohttp.ClientSession() as http:
                    async with http.get(line[1].removesuffix("/v1") + "/health") as answer:
                        assert answer.status == 200
                    async with http.ws_connect(
                        f"{line[1]}/speech-to-text/realtime?model_id=scribe_v2_realtime"
                    ) as ws:
                        await ws.receive_json()
                        process.send_signal(number)
                        await ws.receive()
                        assert ws.close_code == 1001
                assert await process.wait() == 0
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (["--engine", "whisper"], "engine must be one of moonshine, scripted"),
            (["--engine", "moonshine", "--answer-delay", "1"], "scripted"),
        ],
    )
    async def test_wrong_arguments_are_named(self, arguments: list[str], said: str) -> None:
        """Exit code 2, and what would be right."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "local.recognizer", *arguments),
            cwd=ROOT,
            env={"COLUMNS": "200", "PATH": ""},
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(20):
            _, errors = await process.communicate()
        assert process.returncode == 2
        assert said in errors.decode()


def test_ulaw_decodes_as_g711_says() -> None:
    """Known values of the standard: silence, the smallest steps, and full scale."""
    known: NDArray[np.int16] = ULAW[[0xFF, 0x7F, 0xFE, 0x7E, 0x80, 0x00]]
    assert known.tolist() == [0, 0, 8, -8, 32_124, -32_124]
