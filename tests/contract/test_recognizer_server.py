"""The local recognizer over its socket: exact words, and every fault as a plain client sees it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import numpy as np
import pytest
from numpy.typing import NDArray

from agent.errors import LocalPartError, MessageError
from local.live_track import resample
from local.marked_speech import PlannedWord, sentences, synthesize
from local.recognizer.audio import ULAW
from local.recognizer.control import is_loopback
from local.recognizer.engines.scripted import ScriptedEngine
from local.recognizer.faults import Faults, parse_faults
from local.recognizer.malformed import HUGE_WORD
from local.recognizer.protocol import ErrorType
from local.recognizer.server import RecognizerServer
from local.recognizer.session import Limits
from tests.conftest import ROOT
from tests.contract.recognizer_client import Client, client, url

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


async def wait_until(fact: Callable[[], bool]) -> None:
    """Wait for something the server does by itself."""
    async with asyncio.timeout(5):
        while not fact():  # noqa: ASYNC110 - the server tells its counters only when asked
            await asyncio.sleep(0.01)


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
        async with aiohttp.ClientSession() as http, http.get(f"{_root(server)}/health") as answer:
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


class TestFaults:
    """Each fault as a client sees it; afterwards the server is well."""

    async def _answers_again(self, server: RecognizerServer) -> None:
        async with client(server) as one:
            await one.say(CLIP.pcm)
            assert (await one.until("committed_transcript_with_timestamps"))["text"] == TEXT

    async def test_refused_connections(self, server: RecognizerServer) -> None:
        """An HTTP status with Retry-After, as often as asked."""
        server.set_faults(Faults(refuse_status=503, refuse_times=2, retry_after_seconds=7))
        for _ in range(2):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                async with client(server):
                    pass
            assert refused.value.status == 503
            assert refused.value.headers is not None
            assert refused.value.headers["Retry-After"] == "7"
        assert server.counters.as_json()["sessions_refused"] == 2
        await self._answers_again(server)

    async def test_refused_for_a_time(self, server: RecognizerServer) -> None:
        """For a number of seconds, then no more."""
        server.set_faults(Faults(refuse_status=429, refuse_seconds=0.2))
        with pytest.raises(aiohttp.WSServerHandshakeError):
            async with client(server):
                pass
        await asyncio.sleep(0.2)
        await self._answers_again(server)

    @pytest.mark.parametrize(("code", "seen"), [(None, 1006), (1011, 1011)])
    async def test_dropped_now(self, server: RecognizerServer, code: int | None, seen: int) -> None:
        """All open sessions end: cut, or closed with a code."""
        async with client(server) as one, client(server) as other:
            server.set_faults(Faults(drop_now=True, drop_code=code))
            assert [await one.closed(), await other.closed()] == [seen, seen]
        await self._answers_again(server)

    async def test_dropped_after_seconds_of_audio(self, server: RecognizerServer) -> None:
        """One session, in the middle of its third word; the words before have come."""
        two_words = round(1.4 * RATE)
        server.set_faults(Faults(drop_after_audio_seconds=1.5))
        async with client(server) as one:
            await one.say(CLIP.pcm[:two_words], commit=False)
            while (await one.until("partial_transcript"))["text"] != " ".join(TEXT.split()[:2]):
                pass
            await one.say(CLIP.pcm[two_words:], commit=False)
            assert await one.closed() == 1006
        assert server.counters.as_json()["audio_seconds"] == pytest.approx(1.5, abs=0.06)
        await self._answers_again(server)

    async def test_dropped_between_commit_and_answer(self, server: RecognizerServer) -> None:
        """The commit arrives, its answer never does."""
        server.set_faults(Faults(drop_after_commit=True))
        async with client(server) as one:
            await one.say(CLIP.pcm)
            assert await one.closed() == 1006
        assert "committed_transcript" not in {message["message_type"] for message in one.messages}
        assert server.counters.as_json()["commits"] == 1
        await self._answers_again(server)

    async def test_dropped_between_the_copies(self, server: RecognizerServer) -> None:
        """The text comes, its times do not."""
        server.set_faults(Faults(drop_between_copies=True))
        async with client(server) as one:
            await one.say(CLIP.pcm)
            assert await one.closed() == 1006
        assert one.messages[-1] == {"message_type": "committed_transcript", "text": TEXT}
        await self._answers_again(server)

    @pytest.mark.parametrize("error_type", list(ErrorType))
    async def test_every_error_can_be_sent(self, server: RecognizerServer, error_type: ErrorType) -> None:
        """To an open session, with a close."""
        async with client(server) as one:
            server.set_faults(Faults(error_type=error_type, error_text="why", error_close_code=1008))
            assert await one.next() == {"message_type": error_type, "error": "why"}
            assert await one.closed() == 1008

    async def test_errors_at_their_moments(self, server: RecognizerServer) -> None:
        """After the start, after some audio, instead of an answer; without a close the session goes on."""
        server.set_faults(Faults(error_type=ErrorType.RATE_LIMITED, error_when="start"))
        async with client(server) as one:
            assert (await one.next())["message_type"] == "rate_limited"
            server.set_faults(
                Faults(error_type=ErrorType.QUEUE_OVERFLOW, error_when="audio", error_after_audio_seconds=0.5)
            )
            await one.say(SECOND, commit=False)
            assert (await one.next())["message_type"] == "queue_overflow"
            assert server.counters.as_json()["audio_seconds"] >= 0.5
            server.set_faults(Faults(error_type=ErrorType.TRANSCRIBER_ERROR, error_when="commit"))
            await one.send(commit=True)
            assert (await one.next())["message_type"] == "transcriber_error"
            await one.say(SECOND)
            assert (await one.next())["message_type"] == "committed_transcript"

    async def test_muted_commits(self, server: RecognizerServer) -> None:
        """The first commit is never answered; the second has its own words only."""
        server.set_faults(Faults(mute_commits=1))
        later = synthesize([PlannedWord(7, 0.2)], RATE, tail_seconds=0.2)
        async with client(server) as one:
            await one.say(CLIP.pcm)
            await one.say(later.pcm)
            assert (await one.until("committed_transcript"))["text"] == later.words[0].text
        assert [server.counters.as_json()[name] for name in ("commits", "answers")] == [2, 1]

    async def test_double_answers(self, server: RecognizerServer) -> None:
        """Both copies come twice."""
        server.set_faults(Faults(double_answers=1))
        async with client(server) as one:
            await one.say(CLIP.pcm)
            kinds = [(await one.until("committed_transcript"))["message_type"]]
            kinds += [(await one.next())["message_type"] for _ in range(3)]
        assert kinds == ["committed_transcript", "committed_transcript_with_timestamps"] * 2

    async def test_slow_answers_can_be_cut_short(self, server: RecognizerServer) -> None:
        """An answer that is late; a drop does not wait for it."""
        server.set_faults(Faults(answer_delay_seconds=0.2))
        async with client(server) as one:
            begin = asyncio.get_running_loop().time()
            await one.say(CLIP.pcm)
            await one.until("committed_transcript")
            assert asyncio.get_running_loop().time() - begin >= 0.2
            server.set_faults(Faults(answer_delay_seconds=60.0))
            await one.say(CLIP.pcm)
            await wait_until(lambda: server.counters.as_json()["answers"] == 2)
            server.set_faults(Faults(drop_now=True, drop_code=1012))
            assert await one.closed() == 1012

    async def test_malformed_answers(self, server: RecognizerServer) -> None:
        """No JSON; missing fields; a huge word; negative times; no second copy."""
        async with client(server) as one:
            server.set_faults(Faults(malformed_answers=1, malformation="no_json"))
            answer = await _answer_texts(server, one)
            with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
                json.loads(answer[0])
            server.set_faults(Faults(malformed_answers=1, malformation="missing_fields"))
            assert json.loads((await _answer_texts(server, one))[1]) == {
                "message_type": "committed_transcript_with_timestamps"
            }
            server.set_faults(Faults(malformed_answers=1, malformation="huge_word"))
            assert json.loads((await _answer_texts(server, one))[1])["words"][-1]["text"] == HUGE_WORD
            server.set_faults(Faults(malformed_answers=1, malformation="negative_times"))
            assert json.loads((await _answer_texts(server, one))[1])["words"][0]["start"] < 0
            server.set_faults(Faults(malformed_answers=1, malformation="no_timestamps_copy"))
            assert len(await _answer_texts(server, one)) == 1
            assert len(await _answer_texts(server, one)) == 2

    async def test_partials_are_echoed_after_an_answer(self, server: RecognizerServer) -> None:
        """The committed text comes once more as a partial."""
        server.set_faults(Faults(echo_partials=1))
        async with client(server) as one:
            await one.say(CLIP.pcm)
            await one.until("committed_transcript_with_timestamps")
            assert await one.next() == {"message_type": "partial_transcript", "text": TEXT}

    async def test_a_stalled_server_does_not_read(self, server: RecognizerServer) -> None:
        """For a time nothing is taken from the socket; then all is, and answered."""
        async with client(server) as one:
            server.set_faults(Faults(stall_seconds=0.4))
            begin = asyncio.get_running_loop().time()
            await one.say(CLIP.pcm)
            assert (await one.until("committed_transcript"))["text"] == TEXT
            assert asyncio.get_running_loop().time() - begin >= 0.35

    async def test_a_close_code_reaches_a_client_that_is_sending(self, server: RecognizerServer) -> None:
        """A close is a handshake: bytes that are still on their way do not turn it into a reset."""

        async def send_on(one: Client) -> None:
            with contextlib.suppress(ConnectionError):
                while True:
                    await one.send(bytes(500_000))

        for _ in range(5):
            async with client(server) as one, asyncio.TaskGroup() as group:
                sending = group.create_task(send_on(one))
                await wait_until(lambda: server.counters.as_json()["audio_seconds"] > 30)
                server.set_faults(Faults(drop_now=True, drop_code=1013))
                assert await one.closed() == 1013
                sending.cancel()

    async def test_a_fault_for_one_session_leaves_others_alone(self, server: RecognizerServer) -> None:
        """session_id picks the victim."""
        async with client(server) as one, client(server) as other:
            server.set_faults(Faults(session_id=one.messages[0]["session_id"], mute_commits=9, drop_now=True))
            assert await one.closed() == 1006
            await other.say(CLIP.pcm)
            assert (await other.until("committed_transcript"))["text"] == TEXT

    @pytest.mark.parametrize(
        ("values", "named"),
        [
            ({"drop": True}, "drop"),
            ({"refuse_status": 200}, "refuse_status"),
            ({"drop_code": 70_000}, "drop_code"),
            ({"error_type": "boss_error"}, "error_type"),
            ({"error_when": "later"}, "error_when"),
            ({"mute_commits": -1}, "mute_commits"),
            ({"mute_commits": True}, "mute_commits"),
            ({"drop_now": 1}, "drop_now"),
            ({"stall_seconds": "1"}, "stall_seconds"),
        ],
    )
    def test_wrong_faults_are_named(self, values: dict[str, Any], named: str) -> None:
        """A test that misspells a fault is told so."""
        with pytest.raises(MessageError, match=named):
            parse_faults(values)


async def _answer_texts(server: RecognizerServer, one: Client) -> list[str]:
    """Say the clip; the texts of the answer only."""
    before, answers = len(one.texts), server.counters.as_json()["answers"]
    await one.say(CLIP.pcm)
    await wait_until(lambda: server.counters.as_json()["answers"] == answers + 1)
    await one.send(commit=True)  # too short: its commit_throttled comes right after the answer
    while "commit_throttled" not in await one.next_text():
        pass
    return [text for text in one.texts[before:] if '"committed_' in text]


class TestControl:
    """Faults and counters over HTTP."""

    async def test_faults_over_http(self, server: RecognizerServer) -> None:
        """POST sets, GET shows, DELETE resets; nonsense is refused by name."""
        async with aiohttp.ClientSession() as http:
            async with http.post(f"{_root(server)}/control/faults", json={"mute_commits": 2}) as answer:
                assert (await answer.json())["mute_commits"] == 2
            assert server.faults == Faults(mute_commits=2)
            for body in (b'{"mute": 2}', b"[]", b"{", b"\xff"):
                async with http.post(f"{_root(server)}/control/faults", data=body) as answer:
                    assert answer.status == 400
                    assert (await answer.json())["detail"]
            async with http.delete(f"{_root(server)}/control/faults") as answer:
                assert (await answer.json())["mute_commits"] == 0
            async with http.get(f"{_root(server)}/control/faults") as answer:
                assert parse_faults(await answer.json()) == Faults()

    async def test_stats(self, server: RecognizerServer) -> None:
        """Sums and sessions, open and closed."""
        async with client(server) as one:
            await one.say(CLIP.pcm)
            await one.until("committed_transcript_with_timestamps")
            async with (
                client(server),
                aiohttp.ClientSession() as http,
                http.get(f"{_root(server)}/control/stats") as answer,
            ):
                stats = await answer.json()
        assert stats["open_sessions"] == stats["largest_open_sessions"] == stats["sessions_opened"] == 2
        assert (stats["commits"], stats["answers"], stats["words"]) == (1, 1, 4)
        assert stats["audio_seconds"] == stats["largest_audio_seconds"] == pytest.approx(CLIP.seconds)
        assert [session["words"] for session in stats["sessions"]] == [4, 0]
        await wait_until(lambda: not server.counters.open)
        assert server.counters.as_json()["audio_seconds"] == pytest.approx(CLIP.seconds)

    async def test_control_is_for_this_machine(self) -> None:
        """A server that listens on every address still answers /control to loopback only."""
        assert [is_loopback(address) for address in ("127.0.0.1", "::1", "192.0.2.7", None, "x")] == [
            True,
            True,
            False,
            False,
            False,
        ]


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


def _root(server: RecognizerServer) -> str:
    return server.base_url.removesuffix("/v1")


def test_ulaw_decodes_as_g711_says() -> None:
    """Known values of the standard: silence, the smallest steps, and full scale."""
    known: NDArray[np.int16] = ULAW[[0xFF, 0x7F, 0xFE, 0x7E, 0x80, 0x00]]
    assert known.tolist() == [0, 0, 8, -8, 32_124, -32_124]
