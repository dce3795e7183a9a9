"""A link to the recognizer that is slower than speech, on the real plugin, WebSocket and kernel."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from urllib.parse import urlsplit

import pytest

from agent.core.model import Reason, State
from agent.stt.elevenlabs import ElevenLabsOptions, ElevenLabsRecognizer, ElevenLabsSession
from agent.stt.outgoing import Departures, bytes_under_way, read_chunk, send_buffered_socket
from agent.stt.protocol import Final, Left, SessionReady
from local.marked_speech import PlannedWord, synthesize
from local.recognizer.engines.scripted import ScriptedEngine
from local.recognizer.server import RecognizerServer
from local.tcp_proxy import TcpProxy
from tests.contract.track_case import Case, clip_of, perform

SECONDS = 2.0
JSON_BITS_PER_SECOND = 345_000
"""Of one speaker's audio."""
FRAME_BYTES = 1600
GOOD = 1e9
"""Bits per second."""


def port_of(server: RecognizerServer) -> int:
    """The port of its base URL."""
    port = urlsplit(server.base_url).port
    assert port is not None
    return port


@pytest.fixture
async def proxy() -> AsyncIterator[TcpProxy]:
    """Before a recognizer."""
    async with (
        RecognizerServer(ScriptedEngine(0.01)) as server,
        TcpProxy(port_of(server), bits_per_second=GOOD) as running,
    ):
        yield running


@pytest.fixture
async def session(proxy: TcpProxy) -> AsyncIterator[ElevenLabsSession]:
    base_url = f"http://127.0.0.1:{proxy.port}/v1"
    recognizer = ElevenLabsRecognizer(ElevenLabsOptions(api_key="k", base_url=base_url, language="en"))
    opened = recognizer.open()
    yield opened
    await opened.aclose()
    await recognizer.aclose()


async def say(
    session: ElevenLabsSession, proxy: TcpProxy, bits_per_second: float
) -> tuple[list[Left], float, float]:
    """Send `SECONDS` of speech and a commit at once.

    Returns the reports, and after how many seconds the commit had left and was answered.
    """
    pcm = synthesize(
        [PlannedWord(number, number * 0.5) for number in range(4)], sample_rate=16_000
    ).pcm.tobytes()
    pcm = pcm[: int(SECONDS * 32_000)].ljust(int(SECONDS * 32_000), b"\0")
    loop = asyncio.get_running_loop()
    reports: list[Left] = []
    began = left_at = answered_at = 0.0
    async for event in session.events():
        match event:
            case SessionReady(tells_left):
                assert tells_left
                proxy.limit(bits_per_second)
                began = loop.time()
                for start in range(0, len(pcm), FRAME_BYTES):
                    session.send(pcm[start : start + FRAME_BYTES])
                session.commit()
            case Left(_, commits):
                reports.append(event)
                left_at = left_at or (loop.time() - began if commits else 0.0)
            case Final():
                answered_at = loop.time() - began
        if left_at and answered_at:
            return reports, left_at, answered_at
    raise AssertionError("the session ended")


async def test_what_has_left_is_known_over_a_slow_link(session: ElevenLabsSession, proxy: TcpProxy) -> None:
    """At 0.7 times real time 2 s of audio take 2.9 s; the proxy itself holds half a second of it."""
    reports, left_at, answered_at = await say(session, proxy, 0.7 * JSON_BITS_PER_SECOND)
    assert reports[-1] == Left(int(SECONDS * 16_000), 1)
    samples = [report.samples for report in reports]
    assert samples == sorted(samples)
    assert len(reports) > 3
    assert 1.6 < left_at <= answered_at + 0.15


async def test_over_a_good_link_all_leaves_at_once(session: ElevenLabsSession, proxy: TcpProxy) -> None:
    """Within two looks."""
    reports, left_at, _ = await say(session, proxy, GOOD)
    assert reports[-1] == Left(int(SECONDS * 16_000), 1)
    assert left_at < 1.0


async def test_a_track_behind_a_slow_link(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """At half of real time: every word, nothing sent twice, and status and log say that the link is slow."""
    speed = 0.5 * JSON_BITS_PER_SECOND
    async with (
        RecognizerServer(ScriptedEngine(0.01)) as server,
        TcpProxy(port_of(server), bits_per_second=speed) as proxy,
    ):
        settings = {"ANSWER_TIMEOUT": "2", "ELEVENLABS_BASE_URL": f"http://127.0.0.1:{proxy.port}/v1"}
        case = Case(clip=clip_of(words=8, words_per_sentence=8), settings=settings, patience=12.0)
        show = await perform(case, server=server)
    assert show.missing() == []
    assert show.gaps == []
    show.check_books()
    sums = show.sums
    assert (sums.reconnects, sums.replayed) == (0, 0.0)
    assert sums.sent / sums.speech < 1.1
    assert show.states == [(State.DEGRADED, Reason.RECOGNIZER_SLOW), (State.LISTENING, None)]
    slow = [record for record in caplog.records if getattr(record, "action", "") == "recognizer_slow"]
    assert len(slow) == 1


@pytest.fixture
def connected() -> Iterator[tuple[socket.socket, socket.socket]]:
    """A sender of ours and its receiver."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        with send_buffered_socket(
            (socket.AF_INET, socket.SOCK_STREAM, 0, "", server.getsockname())
        ) as sender:
            sender.connect(server.getsockname())
            sender.setblocking(False)
            receiver, _ = server.accept()
            with receiver:
                yield sender, receiver


def test_the_kernel_holds_all_that_may_be_under_way(connected: tuple[socket.socket, socket.socket]) -> None:
    """More than 2 s of a speaker's audio as JSON fit the send buffer, and all of it is counted."""
    sender, receiver = connected
    for _ in range(60):
        sender.sendall(bytes(2200))
    assert bytes_under_way(sender) > 60 * 2200 - 32_768
    receiver.close()


def test_a_closed_socket_has_nothing_under_way() -> None:
    """Nor has one that is not there."""
    gone = socket.socket()
    gone.close()
    assert bytes_under_way(gone) == bytes_under_way(None) == 0


@pytest.mark.parametrize(("audio", "samples"), [("", 0), ("AAA=", 1), ("AAAAAA==", 2), ("AAAAAAAA", 3)])
def test_samples_of_a_message(audio: str, samples: int) -> None:
    """From the length of the base64."""
    assert read_chunk(f'{{"audio_base_64": "{audio}", "commit": true}}') == (samples, True)


async def test_departures_are_reported_in_order() -> None:
    """A message has left when no more is under way than was written after it."""
    message = '{"audio_base_64": "AAAAAAAA", "commit": false}'
    under_way = 2 * len(message)
    reports: asyncio.Queue[tuple[int, int]] = asyncio.Queue()
    departures = Departures(lambda: under_way, lambda *report: reports.put_nowait(report))
    for _ in range(3):
        departures.wrote(message)
    assert await reports.get() == (3, 0)
    under_way = 0
    assert await reports.get() == (9, 0)
    departures.wrote(message.replace("false", "true"))
    departures.stop()
    await asyncio.sleep(0)
    assert reports.empty()
