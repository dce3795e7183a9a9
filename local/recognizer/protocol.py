"""ElevenLabs' realtime speech-to-text protocol: what may be asked, what a client says, what a server answers.

Pure: text and values in, values out. The rules that need memory (commits, limits, time) are in `session.py`.

    ws://HOST/v1/speech-to-text/realtime?model_id=scribe_v2_realtime&audio_format=pcm_16000&include_timestamps=true
    <- {"message_type":"session_started","session_id":"…","config":{…}}
    -> {"message_type":"input_audio_chunk","audio_base_64":"…","commit":false,"sample_rate":16000}
    <- {"message_type":"partial_transcript","text":"hello"}
    -> {"message_type":"input_audio_chunk","audio_base_64":"","commit":true,"sample_rate":16000}
    <- {"message_type":"committed_transcript","text":"hello there"}
    <- {"message_type":"committed_transcript_with_timestamps","text":"hello there",
        "language_code":"en","words":[…]}
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from agent.errors import MessageError

Message = dict[str, Any]
"""One JSON message of the server."""

_SAMPLE_RATES = (8_000, 16_000, 22_050, 24_000, 44_100, 48_000)
AUDIO_FORMATS = (*(f"pcm_{rate}" for rate in _SAMPLE_RATES), "ulaw_8000")
"""Every `audio_format` that may be asked."""

_MODEL_ID = re.compile(r"scribe_v[\w.]*_realtime")
_LANGUAGE_CODE = re.compile(r"[a-z]{2,3}", re.IGNORECASE)
_MAX_KEYTERMS = 50
_MAX_KEYTERM_CHARACTERS = 20


class ErrorType(StrEnum):
    """Every type of error message; each is `{"message_type": TYPE, "error": TEXT}`."""

    ERROR = "error"
    AUTH_ERROR = "auth_error"
    QUOTA_EXCEEDED = "quota_exceeded"
    COMMIT_THROTTLED = "commit_throttled"
    UNACCEPTED_TERMS = "unaccepted_terms"
    UNACCEPTED_TERMS_ERROR = "unaccepted_terms_error"
    RATE_LIMITED = "rate_limited"
    QUEUE_OVERFLOW = "queue_overflow"
    RESOURCE_EXHAUSTED = "resource_exhausted"
    SESSION_TIME_LIMIT_EXCEEDED = "session_time_limit_exceeded"
    INPUT_ERROR = "input_error"
    INVALID_REQUEST = "invalid_request"
    CHUNK_SIZE_EXCEEDED = "chunk_size_exceeded"
    INSUFFICIENT_AUDIO_ACTIVITY = "insufficient_audio_activity"
    TRANSCRIBER_ERROR = "transcriber_error"


class CommitStrategy(StrEnum):
    """Who says that an utterance is over."""

    MANUAL = "manual"
    """The client, with a commit."""
    VAD = "vad"
    """The server, when it hears silence."""


@dataclass(frozen=True, slots=True)
class SessionConfig:
    """What a client asked for in the query; the names are those of the protocol."""

    model_id: str
    audio_format: str = "pcm_16000"
    commit_strategy: CommitStrategy = CommitStrategy.MANUAL
    vad_silence_threshold_secs: float = 1.5
    """Seconds of silence after which the server commits (0.3 to 3.0); only with commit_strategy=vad."""
    vad_threshold: float = 0.4
    """Probability (0.1 to 0.9) above which audio counts as speech; only with commit_strategy=vad."""
    min_speech_duration_ms: int = 100
    """Shorter sounds are no speech (50 to 2000); only with commit_strategy=vad."""
    min_silence_duration_ms: int = 100
    """Shorter pauses are no silence (50 to 2000); only with commit_strategy=vad."""
    language_code: str | None = None
    """ISO 639-1 or 639-3; None lets the server tell the language."""
    secondary_languages: tuple[str, ...] = ()
    include_timestamps: bool = False
    include_language_detection: bool = False
    keyterms: tuple[str, ...] = ()
    """Words to favour; at most 50 of at most 20 characters."""
    no_verbatim: bool = False
    enable_logging: bool = True
    entity_detection: tuple[str, ...] = ()
    """Kinds of entities to report after each commit; the local engines find none."""

    @property
    def sample_rate(self) -> int:
        """Hz, of the audio that the client sends."""
        return int(self.audio_format.rpartition("_")[2])

    @property
    def bytes_per_sample(self) -> int:
        """2 for PCM, 1 for u-law."""
        return 1 if self.audio_format.startswith("ulaw") else 2

    @property
    def wants_second_copy(self) -> bool:
        """True when each commit is answered again, with times or language."""
        return self.include_timestamps or self.include_language_detection


@dataclass(frozen=True, slots=True)
class AudioChunk:
    """A client's message, decoded: audio, or a commit, or both."""

    audio: bytes
    """In the session's `audio_format`; empty in a keepalive and in a bare commit."""
    commit: bool
    """True asks for the final text of all audio up to and including this chunk."""
    previous_text: str | None = None
    """What was said before; allowed only in the first chunk."""


@dataclass(frozen=True, slots=True)
class TimedWord:
    """One recognized word."""

    text: str
    start: float
    """Seconds of audio received on this connection."""
    end: float
    """Seconds of audio received on this connection."""
    logprob: float = 0.0
    """Natural logarithm of the probability; 0 is certain."""


class InputRefused(MessageError):
    """A client's message breaks the protocol; `error_type` says which error message answers it."""

    def __init__(self, error_type: ErrorType, detail: str) -> None:
        super().__init__(detail)
        self.error_type = error_type


_FIELDS = {
    "model_id": str,
    "audio_format": str,
    "commit_strategy": CommitStrategy,
    "vad_silence_threshold_secs": float,
    "vad_threshold": float,
    "min_speech_duration_ms": int,
    "min_silence_duration_ms": int,
    "language_code": str,
    "include_timestamps": bool,
    "include_language_detection": bool,
    "no_verbatim": bool,
    "enable_logging": bool,
}
_LISTS = ("secondary_languages", "keyterms", "entity_detection")
_RANGES = {
    "vad_silence_threshold_secs": (0.3, 3.0),
    "vad_threshold": (0.1, 0.9),
    "min_speech_duration_ms": (50, 2000),
    "min_silence_duration_ms": (50, 2000),
}
_ACCEPTED_AND_IGNORED = (
    "token",
    "entity_redaction",
    "entity_redaction_mode",
    "transcript_edit",
    "filter_background_audio",
)


def parse_query(query: Iterable[tuple[str, str]]) -> SessionConfig:
    """Read the query of a connection, as (name, value) pairs with repeated names for lists.

    Raises:
        InputRefused: a parameter is unknown, malformed, out of range, or `model_id` is missing.
    """
    values: dict[str, Any] = {}
    lists: dict[str, list[str]] = {}
    for name, text in query:
        if name in _LISTS:
            lists.setdefault(name, []).append(text)
        elif name in _FIELDS:
            values[name] = _parse_value(name, text)
        elif name not in _ACCEPTED_AND_IGNORED:
            raise InputRefused(ErrorType.INVALID_REQUEST, f"unknown query parameter {name!r}")
    if "model_id" not in values:
        raise InputRefused(ErrorType.INVALID_REQUEST, "query parameter model_id is missing")
    values.update((name, tuple(items)) for name, items in lists.items())
    config = SessionConfig(**values)
    _check_config(config)
    return config


def _parse_value(name: str, text: str) -> object:
    kind = _FIELDS[name]
    if kind is bool:
        if text.lower() not in ("true", "false"):
            raise InputRefused(ErrorType.INVALID_REQUEST, f"{name} must be true or false, got {text!r}")
        return text.lower() == "true"
    try:
        value = kind(text)
    except ValueError as cause:
        raise InputRefused(
            ErrorType.INVALID_REQUEST, f"{name} must be {kind.__name__}, got {text!r}"
        ) from cause
    if name in _RANGES:
        low, high = _RANGES[name]
        if not low <= value <= high:
            raise InputRefused(ErrorType.INVALID_REQUEST, f"{name} must be {low} to {high}, got {text}")
    return value


def _check_config(config: SessionConfig) -> None:
    if not _MODEL_ID.fullmatch(config.model_id):
        raise InputRefused(
            ErrorType.INVALID_REQUEST,
            f"model_id {config.model_id!r} is no realtime model; use scribe_v2_realtime",
        )
    if config.audio_format not in AUDIO_FORMATS:
        raise InputRefused(
            ErrorType.INVALID_REQUEST,
            f"audio_format must be one of {', '.join(AUDIO_FORMATS)}, got {config.audio_format!r}",
        )
    for code in (config.language_code, *config.secondary_languages):
        if code is not None and not _LANGUAGE_CODE.fullmatch(code):
            raise InputRefused(
                ErrorType.INVALID_REQUEST, f"language codes have two or three letters, got {code!r}"
            )
    if len(config.keyterms) > _MAX_KEYTERMS:
        raise InputRefused(
            ErrorType.INVALID_REQUEST, f"at most {_MAX_KEYTERMS} keyterms, got {len(config.keyterms)}"
        )
    for term in config.keyterms:
        if not 0 < len(term) <= _MAX_KEYTERM_CHARACTERS:
            raise InputRefused(
                ErrorType.INVALID_REQUEST,
                f"keyterms have 1 to {_MAX_KEYTERM_CHARACTERS} characters, got {term!r}",
            )


def parse_client_message(text: str, config: SessionConfig, max_chunk_bytes: int) -> AudioChunk:
    """Read one message of a client.

    Raises:
        InputRefused: it is no JSON object, has wrong fields, or holds more than `max_chunk_bytes` of audio.
    """
    try:
        message = json.loads(text)
    except (ValueError, RecursionError) as cause:
        raise InputRefused(ErrorType.INPUT_ERROR, "the message is no JSON") from cause
    if not isinstance(message, dict):
        raise InputRefused(ErrorType.INPUT_ERROR, "the message is no JSON object")
    kind = message.get("message_type")
    if kind == "commit":
        return AudioChunk(audio=b"", commit=True)
    if kind != "input_audio_chunk":
        raise InputRefused(ErrorType.INPUT_ERROR, f"unknown message_type {kind!r}")
    _check_fields(message, config)
    audio = _decode_audio(message["audio_base_64"], config, max_chunk_bytes)
    return AudioChunk(audio=audio, commit=message["commit"], previous_text=message.get("previous_text"))


def _check_fields(message: Mapping[str, Any], config: SessionConfig) -> None:
    for name, kind in (("audio_base_64", str), ("commit", bool), ("sample_rate", int)):
        if type(message.get(name)) is not kind:
            raise InputRefused(ErrorType.INPUT_ERROR, f"{name} must be given and be {kind.__name__}")
    if message["sample_rate"] != config.sample_rate:
        raise InputRefused(
            ErrorType.INPUT_ERROR,
            f"sample_rate is {message['sample_rate']}, but audio_format is {config.audio_format}",
        )
    if not isinstance(message.get("previous_text"), str | None):
        raise InputRefused(ErrorType.INPUT_ERROR, "previous_text must be str")


def _decode_audio(text: str, config: SessionConfig, max_chunk_bytes: int) -> bytes:
    if len(text) > (max_chunk_bytes + 2) // 3 * 4:
        raise InputRefused(
            ErrorType.CHUNK_SIZE_EXCEEDED, f"a chunk holds at most {max_chunk_bytes} bytes of audio"
        )
    try:
        audio = base64.b64decode(text, validate=True)
    except ValueError as cause:
        raise InputRefused(ErrorType.INPUT_ERROR, "audio_base_64 is no base64") from cause
    if len(audio) % config.bytes_per_sample:
        raise InputRefused(ErrorType.INPUT_ERROR, "the audio ends in the middle of a sample")
    return audio


def session_started(session_id: str, config: SessionConfig) -> Message:
    """The first message of a session."""
    fields = {
        key: list(value) if isinstance(value, tuple) else value for key, value in asdict(config).items()
    }
    return {
        "message_type": "session_started",
        "session_id": session_id,
        "config": {"sample_rate": config.sample_rate, **fields},
    }


def partial_transcript(text: str) -> Message:
    """Text of the audio since the last commit; it may still change."""
    return {"message_type": "partial_transcript", "text": text}


def committed_transcripts(config: SessionConfig, words: Iterable[TimedWord], language: str) -> list[Message]:
    """The answer to one commit: the text; asked for, the copy with times or language; asked for, entities."""
    said = list(words)
    text = " ".join(word.text for word in said)
    messages: list[Message] = [{"message_type": "committed_transcript", "text": text}]
    if config.wants_second_copy:
        copy: Message = {
            "message_type": "committed_transcript_with_timestamps",
            "text": text,
            "language_code": language,
        }
        if config.include_timestamps:
            copy["words"] = _words_with_spacing(said)
        messages.append(copy)
    if config.entity_detection:
        messages.append({"message_type": "committed_transcript_entities", "text": text, "entities": []})
    return messages


def _words_with_spacing(words: list[TimedWord]) -> list[Message]:
    """Words as ElevenLabs lists them: between two words stands an item of type `spacing`."""
    items: list[Message] = []
    for word in words:
        if items:
            items.append(_item(" ", items[-1]["end"], word.start, "spacing", 0.0))
        items.append(_item(word.text, word.start, word.end, "word", word.logprob))
    return items


def _item(text: str, start: float, end: float, kind: str, logprob: float) -> Message:
    return {
        "text": text,
        "start": round(start, 3),
        "end": round(end, 3),
        "type": kind,
        "logprob": round(logprob, 4),
    }


def error_message(error_type: str, text: str) -> Message:
    """An error; `error_type` is a value of `ErrorType`."""
    return {"message_type": str(error_type), "error": text}
