"""The rules of one recognizer session that need memory: commits, limits, time. Pure; time is an argument.

             start              audio, commits, answers
    (new) ----------> open ------------------------------> open
                       |  refuse, idle, time limit
                       +----------------------------------> closed

The caller carries out the actions that are returned, and calls `advance` when `next_deadline` has come.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from local.recognizer.protocol import (
    AudioChunk,
    ErrorType,
    InputRefused,
    Message,
    SessionConfig,
    TimedWord,
    committed_transcripts,
    error_message,
    parse_client_message,
    partial_transcript,
    session_started,
)

MIN_COMMIT_SECONDS = 0.3
"""New audio that a commit needs; with less it is throttled."""

CLOSE_NORMAL = 1000
CLOSE_POLICY = 1008
"""WebSocket close code after an error that ends the session."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a session may do. Where ElevenLabs publishes no number, the default is ours."""

    idle_seconds: float = 15.0
    """Without any message for this long the session is closed with code 1000 (observed there: about 10 s,
    the same as the plugin's keepalive; the margin keeps a late keepalive from ending it)."""
    session_seconds: float | None = None
    """Life of a session before `session_time_limit_exceeded`; None is no limit."""
    auto_commit_seconds: float = 90.0
    """Uncommitted audio after which the server commits by itself."""
    max_chunk_bytes: int = 1 << 20
    """Decoded audio in one message; more is `chunk_size_exceeded`."""
    max_open_commits: int = 32
    """Commits that may wait for their answer; one more is refused with `queue_overflow`."""


@dataclass(frozen=True, slots=True)
class Send:
    """Send this message to the client."""

    message: Message


@dataclass(frozen=True, slots=True)
class Hear:
    """Give this audio to the engine."""

    audio: bytes
    """In the session's audio format."""


@dataclass(frozen=True, slots=True)
class Commit:
    """Ask the engine for the final words of all audio so far."""

    number: int
    """1 for the session's first commit; the answer names it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Send the answer to a commit: these messages, in this order."""

    number: int
    messages: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Close:
    """Close the connection once everything before is sent."""

    code: int
    reason: str


Action = Send | Hear | Commit | Answer | Close


class Session:
    """One client's session."""

    def __init__(self, session_id: str, config: SessionConfig, limits: Limits, now: float) -> None:
        self.session_id = session_id
        self.config = config
        self.received_samples = 0
        """Samples of audio so far, at the session's sample rate."""
        self.commits = 0
        """Commits accepted so far."""
        self._limits = limits
        self._started = now
        self._last_message = now
        self._committed_samples = 0
        self._chunks = 0
        self._open_commits: set[int] = set()
        self._closed = False

    @property
    def received_seconds(self) -> float:
        """Seconds of audio so far."""
        return self.received_samples / self.config.sample_rate

    def start(self) -> list[Action]:
        """Greet the client."""
        return [Send(session_started(self.session_id, self.config))]

    def receive(self, text: str, now: float) -> list[Action]:
        """Take one message of the client."""
        if self._closed:
            return []
        self._last_message = now
        try:
            chunk = parse_client_message(text, self.config, self._limits.max_chunk_bytes)
            self._check_previous_text(chunk)
        except InputRefused as refusal:
            return [Send(error_message(refusal.error_type, str(refusal)))]
        actions: list[Action] = []
        if chunk.audio:
            self.received_samples += len(chunk.audio) // self.config.bytes_per_sample
            actions.append(Hear(chunk.audio))
        if chunk.commit or self._uncommitted_seconds >= self._limits.auto_commit_seconds:
            actions += self._commit()
        return actions

    def speech_ended(self) -> list[Action]:
        """The server's own voice detector heard the end of an utterance (commit_strategy=vad)."""
        if self._closed or self._uncommitted_seconds < MIN_COMMIT_SECONDS:
            return []
        return self._commit()

    def interim(self, text: str) -> list[Action]:
        """The engine has a new text for the audio since the last commit."""
        return [] if self._closed else [Send(partial_transcript(text))]

    def answered(self, number: int, words: Iterable[TimedWord], language: str) -> list[Action]:
        """The engine has the final words of commit `number`."""
        self._open_commits.discard(number)
        if self._closed:
            return []
        return [Answer(number, tuple(committed_transcripts(self.config, words, language)))]

    def engine_failed(self, number: int, detail: str) -> list[Action]:
        """The engine could not answer commit `number`."""
        self._open_commits.discard(number)
        return [Send(error_message(ErrorType.TRANSCRIBER_ERROR, detail)), *self.close(1011, detail)]

    def next_deadline(self) -> float:
        """When `advance` is to be called at the latest."""
        idle = self._last_message + self._limits.idle_seconds
        if self._limits.session_seconds is None:
            return idle
        return min(idle, self._started + self._limits.session_seconds)

    def advance(self, now: float) -> list[Action]:
        """Time has passed: close a session that is idle or too old."""
        if self._limits.session_seconds is not None and now >= self._started + self._limits.session_seconds:
            detail = f"a session may last {self._limits.session_seconds:g} s"
            error = error_message(ErrorType.SESSION_TIME_LIMIT_EXCEEDED, detail)
            return [Send(error), *self.close(CLOSE_POLICY, detail)]
        if now >= self._last_message + self._limits.idle_seconds:
            return self.close(CLOSE_NORMAL, f"no message for {self._limits.idle_seconds:g} s")
        return []

    def close(self, code: int, reason: str) -> list[Action]:
        """End the session from this side."""
        if self._closed:
            return []
        self._closed = True
        return [Close(code, reason)]

    @property
    def _uncommitted_seconds(self) -> float:
        return (self.received_samples - self._committed_samples) / self.config.sample_rate

    def _check_previous_text(self, chunk: AudioChunk) -> None:
        self._chunks += 1
        if chunk.previous_text is not None and self._chunks > 1:
            raise InputRefused(
                ErrorType.INPUT_ERROR, "previous_text may only come with the first input_audio_chunk"
            )

    def _commit(self) -> list[Action]:
        if self._uncommitted_seconds < MIN_COMMIT_SECONDS:
            detail = (
                f"commit ignored: {self._uncommitted_seconds:.2f} s of uncommitted audio, "
                f"at least {MIN_COMMIT_SECONDS} s are needed"
            )
            return [Send(error_message(ErrorType.COMMIT_THROTTLED, detail))]
        if len(self._open_commits) >= self._limits.max_open_commits:
            detail = f"commit ignored: {len(self._open_commits)} commits wait for their answer"
            return [Send(error_message(ErrorType.QUEUE_OVERFLOW, detail))]
        self._committed_samples = self.received_samples
        self.commits += 1
        self._open_commits.add(self.commits)
        return [Commit(self.commits)]
