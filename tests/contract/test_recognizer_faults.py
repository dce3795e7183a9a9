"""The local recognizer's faults, each as a plain client sees it, and their control over HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import numpy as np
import pytest

from agent.errors import MessageError
from local.marked_speech import PlannedWord, sentences, synthesize
from local.recognizer.control import is_loopback
from local.recognizer.engines.scripted import ScriptedEngine
from local.recognizer.faults import Faults, parse_faults
from local.recognizer.malformed import HUGE_WORD
from local.recognizer.protocol import ErrorType
from local.recognizer.server import RecognizerServer
from tests.contract.recognizer_client import Client, client, root, wait_until

RATE = 16_000
CLIP = synthesize(sentences(range(100, 104), words_per_sentence=4, pause_seconds=1.0), RATE, tail_seconds=0.3)
TEXT = " ".join(word.text for word in CLIP.words)
SECOND = np.zeros(RATE, dtype=np.int16)


@pytest.fixture
async def server() -> AsyncIterator[RecognizerServer]:
    """A server with the scripted engine that answers at once."""
    async with RecognizerServer(ScriptedEngine(answer_delay_seconds=0.0)) as running:
        yield running


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

    async def test_dropped_before_a_message(self, server: RecognizerServer) -> None:
        """What came before it has arrived, itself never does."""
        server.set_faults(Faults(drop_before_message=2))
        async with client(server) as one:
            await one.say(CLIP.pcm)
            assert await one.closed() == 1006
        assert [message["message_type"] for message in one.messages] == ["session_started"]
        await self._answers_again(server)

    async def test_session_that_never_begins(self, server: RecognizerServer) -> None:
        """The connection is there, but not a word comes; the next one is well."""
        server.set_faults(Faults(mute_starts=1))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3), client(server):
                pass
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
            async with http.post(f"{root(server)}/control/faults", json={"mute_commits": 2}) as answer:
                assert (await answer.json())["mute_commits"] == 2
            assert server.faults == Faults(mute_commits=2)
            for body in (b'{"mute": 2}', b"[]", b"{", b"\xff"):
                async with http.post(f"{root(server)}/control/faults", data=body) as answer:
                    assert answer.status == 400
                    assert (await answer.json())["detail"]
            async with http.delete(f"{root(server)}/control/faults") as answer:
                assert (await answer.json())["mute_commits"] == 0
            async with http.get(f"{root(server)}/control/faults") as answer:
                assert parse_faults(await answer.json()) == Faults()

    async def test_stats(self, server: RecognizerServer) -> None:
        """Sums and sessions, open and closed."""
        async with client(server) as one:
            await one.say(CLIP.pcm)
            await one.until("committed_transcript_with_timestamps")
            async with (
                client(server),
                aiohttp.ClientSession() as http,
                http.get(f"{root(server)}/control/stats") as answer,
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
