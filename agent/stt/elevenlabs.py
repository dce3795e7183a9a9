"""ElevenLabs Scribe realtime through the LiveKit plugin: the only module that knows the plugin.

The plugin connects, authenticates, sends and keeps alive. Its reading of the answers is replaced: it drops
most error types, empty answers, and finals whose copy with times never comes. Its retries are off: they lose
the audio of the broken connection, which our ledger sends again. Its WebSocket reports what has left
(`outgoing`). What of the plugin is relied upon
(`_process_stream_event`, `_event_ch`, `_connect_ws`) is held by tests/contract/test_elevenlabs_plugin.py.
"""

from __future__ import annotations

import logging
import math
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeGuard

import aiohttp
from livekit import rtc
from livekit.agents import APIConnectOptions, APIError, stt
from livekit.agents.types import NOT_GIVEN
from livekit.plugins import elevenlabs

from agent.core.backoff import read_retry_after
from agent.core.ledger import Answer, Token
from agent.core.model import SAMPLE_RATE, Reason
from agent.errors import RecognizerError
from agent.stt.outgoing import ReportingSocket, send_buffered_socket
from agent.stt.protocol import Final, Interim, Left, Plain, RecognizerEvent, SessionReady

log = logging.getLogger(__name__)

CONNECT_SECONDS = 10.0
MODEL = "scribe_v2_realtime"

REFUSALS: dict[str, tuple[Reason, bool]] = {
    "auth_error": (Reason.AUTH_ERROR, False),
    "quota_exceeded": (Reason.QUOTA_EXCEEDED, False),
    "unaccepted_terms": (Reason.UNACCEPTED_TERMS, False),
    "unaccepted_terms_error": (Reason.UNACCEPTED_TERMS, False),
    "rate_limited": (Reason.RATE_LIMITED, True),
    "resource_exhausted": (Reason.RATE_LIMITED, True),
    "queue_overflow": (Reason.RATE_LIMITED, True),
    "session_time_limit_exceeded": (Reason.RECOGNIZER_ERROR, True),
    "transcriber_error": (Reason.RECOGNIZER_ERROR, True),
    "chunk_size_exceeded": (Reason.RECOGNIZER_ERROR, True),
    "insufficient_audio_activity": (Reason.RECOGNIZER_ERROR, True),
    "input_error": (Reason.RECOGNIZER_ERROR, True),
    "invalid_request": (Reason.RECOGNIZER_ERROR, False),
    "error": (Reason.RECOGNIZER_ERROR, True),
}
"""Message type -> why the session is over, and whether trying again soon can help."""

HARMLESS = frozenset({"commit_throttled", "committed_transcript_entities"})
"""A throttled commit's audio is answered with the next one; we pad commits, so it should never come."""


@dataclass(frozen=True, slots=True)
class ElevenLabsOptions:
    """What a session is opened with."""

    api_key: str
    base_url: str
    """Ends in /v1."""
    language: str = ""
    """ISO 639 code; empty lets the recognizer detect it."""
    keyterms: tuple[str, ...] = ()
    no_verbatim: bool = False
    logging: bool = True
    """False asks for zero retention."""


class ElevenLabsRecognizer:
    """Opens sessions with one HTTP client."""

    def __init__(self, options: ElevenLabsOptions) -> None:
        """Must be made inside a running event loop."""
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, socket_factory=send_buffered_socket),
            ws_response_class=ReportingSocket,
        )
        self._plugin = _Plugin(
            api_key=options.api_key,
            base_url=options.base_url.rstrip("/"),
            model=MODEL,
            language_code=options.language or NOT_GIVEN,
            include_timestamps=True,
            keyterms=list(options.keyterms) if options.keyterms else NOT_GIVEN,
            no_verbatim=options.no_verbatim or NOT_GIVEN,
            enable_logging=options.logging,
            sample_rate=16_000,
            http_session=self._http,
        )

    def open(self) -> ElevenLabsSession:
        """Begin to connect."""
        return ElevenLabsSession(self._plugin.open_stream())

    async def aclose(self) -> None:
        """Close the HTTP client; sessions must be closed before."""
        await self._http.close()


class ElevenLabsSession:
    """One connection."""

    def __init__(self, stream: _Stream) -> None:
        self._stream = stream

    def send(self, pcm: bytes) -> None:
        """Queue audio for sending; a session that is over takes nothing, its end comes from `events`."""
        if not self._stream.over:
            self._stream.push_frame(rtc.AudioFrame(pcm, SAMPLE_RATE, 1, len(pcm) // 2))

    def commit(self) -> None:
        """Queue a commit."""
        if not self._stream.over:
            self._stream.flush()

    async def events(self) -> AsyncIterator[RecognizerEvent]:
        """What the recognizer says.

        Raises:
            RecognizerError: the session was refused or lost.
        """
        try:
            async for event in self._stream:
                if isinstance(event, _Heard):
                    yield event.said
        except APIError as exc:
            raise _error(exc) from exc
        except (aiohttp.ClientError, OSError) as exc:
            raise _unreachable(type(exc).__name__) from exc
        raise _unreachable("the connection was closed")

    async def aclose(self) -> None:
        """Close the connection; nothing more is received."""
        await self._stream.aclose()


class _Plugin(elevenlabs.STT):
    """The plugin's factory, making streams that hand everything on."""

    def open_stream(self) -> _Stream:
        return _Stream(
            stt=self,
            opts=self._opts,
            conn_options=APIConnectOptions(max_retry=0, timeout=CONNECT_SECONDS),
            language=self._opts.language_code,
            http_session=self._ensure_session(),
        )


class _Stream(elevenlabs.SpeechStream):
    """The plugin's connection with our reading of the messages."""

    @property
    def over(self) -> bool:
        return self._task.done() or self._input_ch.closed

    async def _connect_ws(self) -> aiohttp.ClientWebSocketResponse:
        connection = await super()._connect_ws()
        assert isinstance(connection, ReportingSocket)
        connection.report_to(self._report)
        return connection

    def _report(self, samples: int, commits: int) -> None:
        if not self._event_ch.closed:
            self._event_ch.send_nowait(_Heard(Left(samples, commits)))

    def _process_stream_event(self, data: dict[str, Any]) -> None:
        said = read_message(data)
        if said is not None:
            self._event_ch.send_nowait(_Heard(said))


class _Refused(APIError):
    """Ends the plugin's receive loop; `error` is ours."""

    def __init__(self, error: RecognizerError) -> None:
        super().__init__(str(error), retryable=False)
        self.error = error


class _Heard(stt.SpeechEvent):
    """One of our events on its way through the plugin's channel."""

    def __init__(self, said: RecognizerEvent) -> None:
        super().__init__(type=stt.SpeechEventType.INTERIM_TRANSCRIPT)
        self.said = said


def read_message(data: object) -> RecognizerEvent | None:
    """One message of the recognizer as an event; None for what says nothing, or is malformed (logged).

    Raises:
        _Refused: the message ends the session.
    """
    kind = data.get("message_type") if isinstance(data, dict) else None
    text = data.get("text") if isinstance(data, dict) else None
    match kind, text:
        case "session_started", _:
            return SessionReady(tells_left=True)
        case "partial_transcript", str():
            return Interim(text)
        case "committed_transcript", str():
            return Plain(text)
        case "committed_transcript_with_timestamps", str():
            assert isinstance(data, dict)
            return Final(read_answer(text, data))
        case str(), _ if kind in REFUSALS:
            reason, retryable = REFUSALS[kind]
            raise _Refused(RecognizerError(reason, retryable=retryable, detail=kind))
    if kind not in HARMLESS:
        log.warning(
            "unreadable answer skipped", extra={"action": "answer_unreadable", "kind": str(kind)[:64]}
        )
    return None


def read_answer(text: str, data: Mapping[str, Any]) -> Answer:
    """The answer in a committed transcript; words whose times are unusable leave it without times."""
    words = data.get("words")
    entries = words if isinstance(words, list) else []
    tokens = [_token(entry) for entry in entries]
    language = data.get("language_code")
    return Answer(
        text=text,
        tokens=tuple(token for token in tokens if token) if all(tokens) else (),
        language=language if isinstance(language, str) else "",
        confidence=_confidence(entries),
    )


def _token(entry: object) -> Token | None:
    if not isinstance(entry, dict) or not isinstance(entry.get("text"), str):
        return None
    start, end = entry.get("start"), entry.get("end")
    if not (_is_time(start) and _is_time(end)):
        return None
    return Token(entry["text"], float(start), float(end), spacing=entry.get("type") == "spacing")


def _is_time(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _confidence(entries: Sequence[object]) -> float | None:
    """Mean probability of the words, from their `logprob`; None when there is none."""
    logs = [
        entry["logprob"] for entry in entries if isinstance(entry, dict) and _is_time(entry.get("logprob"))
    ]
    return math.exp(min(sum(logs) / len(logs), 0.0)) if logs else None


def _error(exc: APIError) -> RecognizerError:
    if isinstance(exc, _Refused):
        return exc.error
    cause = exc.__cause__
    if isinstance(cause, aiohttp.WSServerHandshakeError):
        return _refused_with(cause.status, cause.headers or {})
    return _unreachable(exc.message)


def _refused_with(status: int, headers: Mapping[str, str]) -> RecognizerError:
    wait = read_retry_after(headers, datetime.now(UTC))
    detail = f"HTTP {status}"
    if status in (401, 403):
        return RecognizerError(Reason.AUTH_ERROR, retryable=False, detail=detail)
    if status == 402:
        return RecognizerError(Reason.QUOTA_EXCEEDED, retryable=False, detail=detail)
    if status == 429:
        return RecognizerError(Reason.RATE_LIMITED, retryable=True, retry_after_seconds=wait, detail=detail)
    return RecognizerError(
        Reason.RECOGNIZER_UNREACHABLE, retryable=True, retry_after_seconds=wait, detail=detail
    )


def _unreachable(detail: str) -> RecognizerError:
    return RecognizerError(Reason.RECOGNIZER_UNREACHABLE, retryable=True, detail=detail)
