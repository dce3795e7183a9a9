"""What of the installed plugin agent/stt/elevenlabs.py relies on, and how it reads every message."""

from __future__ import annotations

import inspect
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from elevenlabs.realtime.connection import RealtimeEvents
from livekit.plugins import elevenlabs

from agent.core.ledger import Answer, Token
from agent.core.model import Reason
from agent.errors import RecognizerError
from agent.settings import Settings
from agent.stt import elevenlabs as ours
from agent.stt.elevenlabs import ElevenLabsOptions, ElevenLabsRecognizer, read_message
from agent.stt.protocol import Final, Interim, Plain, RecognizerEvent, SessionReady
from agent.stt.registry import create_recognizer
from local.marked_speech import sentences, synthesize
from local.recognizer.engines.scripted import ScriptedEngine
from local.recognizer.faults import Faults
from local.recognizer.protocol import ErrorType, SessionConfig
from local.recognizer.server import RecognizerServer


@pytest.fixture
async def server() -> AsyncIterator[RecognizerServer]:
    async with RecognizerServer(ScriptedEngine(0.01)) as running:
        yield running


@pytest.fixture
async def recognizer(server: RecognizerServer) -> AsyncIterator[ElevenLabsRecognizer]:
    made = ElevenLabsRecognizer(ElevenLabsOptions(api_key="k", base_url=server.base_url, language="en"))
    yield made
    await made.aclose()


def test_plugin_has_what_we_override() -> None:
    """The plugin still has `_process_stream_event(data)`, `_connect_ws()` and `_event_ch`."""
    parameters = list(inspect.signature(elevenlabs.SpeechStream._process_stream_event).parameters)
    assert parameters == ["self", "data"]
    assert "self._process_stream_event(parsed)" in inspect.getsource(elevenlabs.SpeechStream._run)
    assert "ws = await self._connect_ws()" in inspect.getsource(elevenlabs.SpeechStream._run)
    assert list(inspect.signature(elevenlabs.SpeechStream._connect_ws).parameters) == ["self"]
    assert "except APIError" in inspect.getsource(elevenlabs.SpeechStream._run)


NO_ERRORS = {
    "open",
    "close",
    "session_started",
    "partial_transcript",
    "final_transcript",
    "final_transcript_with_timestamps",
    "committed_transcript",
    "committed_transcript_with_timestamps",
    "committed_transcript_entities",
    "redacted_transcript",
    "edited_transcript",
}
"""What the provider's own library names besides errors."""


def test_every_error_that_the_provider_names_has_a_reason() -> None:
    """Its library lists them; one that is new there is to be read here, and made by the local recognizer."""
    errors = {event.value for event in RealtimeEvents} - NO_ERRORS
    assert errors == set(ErrorType)
    assert errors == (set(ours.REFUSALS) | ours.HARMLESS) - NO_ERRORS


def test_plugin_names_no_message_that_we_do_not_know() -> None:
    """A new version that reads another type of message is looked at before it is used."""
    source = inspect.getsource(elevenlabs.SpeechStream._process_stream_event)
    named = set(re.findall(r'"([a-z]+(?:_[a-z]+)+|error)"', source))
    fields = {"message_type", "language_code", "session_id"}
    assert named - fields <= NO_ERRORS | set(ErrorType)


async def test_session_from_ready_to_final(recognizer: ElevenLabsRecognizer) -> None:
    """Ready, interims, the plain copy, and the final with the times of the audio that was sent."""
    clip = synthesize(
        sentences([5, 6, 7], words_per_sentence=3, pause_seconds=1, start=0.5), sample_rate=16_000
    )
    session = recognizer.open()
    pcm = clip.pcm.tobytes()
    for start in range(0, len(pcm), 1600):
        session.send(pcm[start : start + 1600])
    session.commit()
    seen: list[RecognizerEvent] = []
    async for event in session.events():
        seen.append(event)
        if isinstance(event, Final):
            break
    await session.aclose()
    assert isinstance(seen[0], SessionReady)
    assert any(isinstance(event, Interim) for event in seen)
    assert any(isinstance(event, Plain) for event in seen)
    final = seen[-1]
    assert isinstance(final, Final)
    words = [token for token in final.answer.tokens if not token.spacing]
    assert [word.text for word in words] == [word.text for word in clip.words]
    for heard, said in zip(words, clip.words, strict=True):
        assert abs(heard.start - said.start) < 0.03


async def test_sending_on_a_dead_session_does_nothing(
    server: RecognizerServer, recognizer: ElevenLabsRecognizer
) -> None:
    """A session that broke takes audio without a complaint; its end is told by `events`."""
    server.set_faults(Faults(refuse_status=503))
    session = recognizer.open()
    with pytest.raises(RecognizerError):
        async for _ in session.events():
            pass
    session.send(bytes(1600))
    session.commit()
    await session.aclose()
    await session.aclose()


@pytest.mark.parametrize(
    ("status", "reason", "retryable"),
    [
        (401, Reason.AUTH_ERROR, False),
        (403, Reason.AUTH_ERROR, False),
        (402, Reason.QUOTA_EXCEEDED, False),
        (429, Reason.RATE_LIMITED, True),
        (500, Reason.RECOGNIZER_UNREACHABLE, True),
        (503, Reason.RECOGNIZER_UNREACHABLE, True),
    ],
)
async def test_refused_handshake(
    server: RecognizerServer,
    recognizer: ElevenLabsRecognizer,
    status: int,
    reason: Reason,
    retryable: bool,
) -> None:
    """An HTTP status becomes a reason; what the provider asks to wait is kept."""
    server.set_faults(Faults(refuse_status=status, retry_after_seconds=7))
    session = recognizer.open()
    with pytest.raises(RecognizerError) as caught:
        async for _ in session.events():
            pass
    await session.aclose()
    assert (caught.value.reason, caught.value.retryable) == (reason, retryable)
    if status in (429, 503):
        assert caught.value.retry_after_seconds == 7


@pytest.mark.parametrize("kind", [kind for kind in ErrorType if kind not in ours.HARMLESS])
async def test_every_error_message_is_told(
    server: RecognizerServer, recognizer: ElevenLabsRecognizer, kind: ErrorType
) -> None:
    """Each error type ends the session with a reason, also those that the plugin only logs."""
    server.set_faults(Faults(error_type=kind, error_when="start"))
    session = recognizer.open()
    with pytest.raises(RecognizerError) as caught:
        async for _ in session.events():
            pass
    await session.aclose()
    assert (Reason(caught.value.reason), caught.value.retryable) == ours.REFUSALS[kind]


async def test_nobody_there() -> None:
    """A recognizer that is not running is unreachable, not a crash."""
    recognizer = ElevenLabsRecognizer(ElevenLabsOptions(api_key="k", base_url="http://127.0.0.1:9/v1"))
    session = recognizer.open()
    with pytest.raises(RecognizerError) as caught:
        async for _ in session.events():
            pass
    await session.aclose()
    await recognizer.aclose()
    assert caught.value.reason == Reason.RECOGNIZER_UNREACHABLE


@pytest.mark.parametrize(
    "message",
    [
        [],
        "text",
        None,
        {},
        {"message_type": 7},
        {"message_type": "partial_transcript"},
        {"message_type": "committed_transcript", "text": None},
        {"message_type": "committed_transcript_with_timestamps", "text": ["a"]},
        {"message_type": "brand_new_message"},
        {"message_type": "commit_throttled", "error": "too little audio"},
    ],
)
def test_unreadable_messages_are_skipped(message: Any) -> None:
    """What cannot be read says nothing, and breaks nothing."""
    assert read_message(message) is None


@pytest.mark.parametrize(
    "words",
    [
        None,
        "hello",
        [None],
        [{"text": "hello"}],
        [{"text": "hello", "start": "0", "end": 1}],
        [{"text": "hello", "start": float("nan"), "end": 1}],
        [{"text": 5, "start": 0, "end": 1}],
    ],
)
def test_words_without_usable_times(words: Any) -> None:
    """The text is kept; the times are left to be estimated."""
    message = {"message_type": "committed_transcript_with_timestamps", "text": "hello", "words": words}
    assert read_message(message) == Final(Answer("hello"))


def test_words_spacing_and_confidence() -> None:
    """Spacing is told from words, and the confidence is the mean probability."""
    message = {
        "message_type": "committed_transcript_with_timestamps",
        "text": "hello you",
        "language_code": "en",
        "words": [
            {"text": "hello", "start": 0.5, "end": 0.9, "type": "word", "logprob": 0.0},
            {"text": " ", "start": 0.9, "end": 1.0, "type": "spacing"},
            {"text": "you", "start": 1, "end": 1.2, "type": "word", "logprob": 0.0},
        ],
    }
    tokens = (Token("hello", 0.5, 0.9), Token(" ", 0.9, 1.0, spacing=True), Token("you", 1.0, 1.2))
    assert read_message(message) == Final(Answer("hello you", tokens, "en", 1.0))


class Asked(RecognizerServer):
    """The local recognizer, and what was asked of it in the query."""

    def __init__(self) -> None:
        super().__init__(ScriptedEngine(0.01))
        self.configs: list[SessionConfig] = []

    async def _serve(self, ws: web.WebSocketResponse, request: web.Request, config: SessionConfig) -> None:
        self.configs.append(config)
        await super()._serve(ws, request, config)


@pytest.mark.parametrize(("setting", "kept"), [("false", False), ("true", True), ("", True)])
async def test_zero_retention_is_asked_for(setting: str, kept: bool) -> None:
    """STT_LOGGING=false goes out as `enable_logging=false`: the provider is to keep nothing."""
    async with Asked() as server:
        settings = Settings.from_env(
            {"STT_LOGGING": setting, "ELEVENLABS_API_KEY": "k", "ELEVENLABS_BASE_URL": server.base_url}
        )
        recognizer = create_recognizer(settings)
        session = recognizer.open()
        assert isinstance(await anext(session.events()), SessionReady)
        await session.aclose()
        await recognizer.aclose()
    assert [config.enable_logging for config in server.configs] == [kept]
