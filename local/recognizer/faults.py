"""Faults on command: what the server is told to do wrong, and how often. Pure; time is an argument."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

from agent.errors import MessageError
from local.recognizer.protocol import ErrorType

ErrorMoment = Literal["now", "start", "audio", "commit"]
Malformation = Literal["no_json", "missing_fields", "huge_word", "negative_times", "no_timestamps_copy"]


@dataclass(frozen=True, slots=True)
class Faults:
    """What is to go wrong. All fields together are active; the default is that nothing is.

    Fields that end in `_times`, and `mute_starts`, `mute_commits`, `double_answers`, `malformed_answers`,
    `echo_partials`, are counted down over all sessions (or those of `session_id`); then the server is well.
    """

    session_id: str = ""
    """Only this session; empty: any. Does not touch the refusing of new connections."""

    refuse_status: int | None = None
    """HTTP status (400 to 599) that new connections get instead of a WebSocket."""
    refuse_times: int | None = None
    """How many connections are refused; None: no bound."""
    refuse_seconds: float | None = None
    """For how long after the setting connections are refused; None: no bound."""
    retry_after_seconds: int | None = None
    """Retry-After header of the refusal."""

    drop_now: bool = False
    """Drop every open session at once (not counted by `drop_times`)."""
    drop_after_audio_seconds: float | None = None
    """Drop a session as soon as it has received this many seconds of audio."""
    drop_after_commit: bool = False
    """Drop a session between a commit and its answer."""
    drop_between_copies: bool = False
    """Drop a session between committed_transcript and committed_transcript_with_timestamps."""
    drop_before_message: int | None = None
    """Drop a session instead of sending it this message; 1 is session_started."""
    drop_times: int = 1
    """How many drops the four conditions above make."""
    drop_code: int | None = None
    """WebSocket close code of a drop; None cuts the TCP connection without a word (1006 at the client)."""

    error_type: ErrorType | None = None
    """Send an error message of this type."""
    error_text: str = "made to fail by a test"
    error_when: ErrorMoment = "now"
    """now: to every open session when set; start: right after session_started; audio: when a session has
    received `error_after_audio_seconds`; commit: instead of the answer to a commit."""
    error_after_audio_seconds: float = 0.0
    error_times: int = 1
    """How many error messages the moments start, audio and commit make."""
    error_close_code: int | None = None
    """Close the session with this code after the message; None leaves it open."""

    mute_starts: int = 0
    """Sessions that are never told session_started, nor anything else."""
    mute_commits: int = 0
    """Commits that are never answered."""
    double_answers: int = 0
    """Answers that are sent twice."""
    answer_delay_seconds: float = 0.0
    """Added to the time of every answer while set."""
    malformed_answers: int = 0
    """Answers that are malformed as `malformation` says."""
    malformation: Malformation = "no_json"
    """no_json; missing_fields: text and words left out; huge_word: one word of 200,000 characters more;
    negative_times: all times shifted below zero; no_timestamps_copy: only committed_transcript."""
    echo_partials: int = 0
    """Answers after which the text comes once more as a partial_transcript."""

    stall_seconds: float = 0.0
    """Stop reading the sockets of open sessions for this long, at once."""

    def __post_init__(self) -> None:
        """Raises MessageError when a number makes no sense on the wire."""
        if self.refuse_status is not None and not 400 <= self.refuse_status <= 599:
            raise MessageError(f"refuse_status must be 400 to 599, got {self.refuse_status}")
        for name in ("drop_code", "error_close_code"):
            code = getattr(self, name)
            if code is not None and not 1000 <= code <= 4999:
                raise MessageError(f"{name} must be 1000 to 4999, got {code}")


def parse_faults(values: Mapping[str, Any]) -> Faults:
    """Make `Faults` of a JSON object with the same names.

    Raises:
        MessageError: a name is unknown or a value is of the wrong type or range; the message says which.
    """
    known = typing.get_type_hints(Faults)
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise MessageError(f"unknown faults {', '.join(unknown)}; known are {', '.join(sorted(known))}")
    for name, value in values.items():
        if not _fits(value, known[name]):
            raise MessageError(f"{name} does not take {value!r}")
    converted = dict(values)
    if converted.get("error_type") is not None:
        converted["error_type"] = ErrorType(converted["error_type"])
    return Faults(**converted)


def _fits(value: object, kind: Any) -> bool:
    if typing.get_origin(kind) is Literal:
        return value in typing.get_args(kind)
    if isinstance(kind, types.UnionType):
        return any(_fits(value, option) for option in typing.get_args(kind))
    if kind is ErrorType:
        return isinstance(value, str) and value in set(ErrorType)
    if kind in (int, float):
        number = int if kind is int else (int, float)
        return isinstance(value, number) and not isinstance(value, bool) and value >= 0
    return type(value) is kind


def faults_as_json(faults: Faults) -> dict[str, Any]:
    """The inverse of `parse_faults`."""
    return {field.name: getattr(faults, field.name) for field in fields(faults)}


@dataclass(frozen=True, slots=True)
class Refusal:
    """How a new connection is refused."""

    status: int
    retry_after_seconds: int | None


@dataclass(frozen=True, slots=True)
class AnswerFault:
    """What happens to one answer."""

    delay_seconds: float = 0.0
    malformation: Malformation | None = None
    twice: bool = False
    echo: bool = False
    drop_between_copies: bool = False


Commanded = Literal["drop", "error"]
"""drop: drop the session as `faults.drop_code` says; error: send the error that `faults` describes."""

CommitFault = Literal["drop", "error", "mute"]


class FaultDesk:
    """Holds the active `Faults` and counts them down."""

    def __init__(self) -> None:
        self.faults = Faults()
        """What is left to go wrong."""
        self._since = 0.0

    def set(self, faults: Faults, now: float) -> None:
        """Replace all faults; `now` starts `refuse_seconds`."""
        self.faults = faults
        self._since = now

    def reset(self) -> None:
        """From now on nothing goes wrong."""
        self.faults = Faults()

    def on_connection(self, now: float) -> Refusal | None:
        """A client connects."""
        faults = self.faults
        if faults.refuse_status is None or faults.refuse_times == 0:
            return None
        if faults.refuse_seconds is not None and now >= self._since + faults.refuse_seconds:
            return None
        if faults.refuse_times is not None:
            self.faults = replace(faults, refuse_times=faults.refuse_times - 1)
        return Refusal(faults.refuse_status, faults.retry_after_seconds)

    def on_start(self, session_id: str) -> bool:
        """A session has started. True: send the error."""
        return self._touches(session_id) and self._error_is_due("start")

    def on_opening(self, session_id: str) -> bool:
        """A session begins. True: never say a word to it."""
        return self._touches(session_id) and self._count("mute_starts")

    def on_message(self, session_id: str, number: int) -> bool:
        """Message `number` of a session is to be sent. True: drop the session instead."""
        return (
            self._touches(session_id)
            and number == self.faults.drop_before_message
            and self._count("drop_times")
        )

    def on_audio(self, session_id: str, received_seconds: float) -> list[Commanded]:
        """A session has received audio, `received_seconds` in all."""
        if not self._touches(session_id):
            return []
        commands: list[Commanded] = []
        after = self.faults.drop_after_audio_seconds
        if received_seconds >= self.faults.error_after_audio_seconds and self._error_is_due("audio"):
            commands.append("error")
        if after is not None and received_seconds >= after and self._count("drop_times"):
            commands.append("drop")
        return commands

    def on_commit(self, session_id: str) -> CommitFault | None:
        """A commit was accepted. What happens instead of its answer, or None."""
        if not self._touches(session_id):
            return None
        if self.faults.drop_after_commit and self._count("drop_times"):
            return "drop"
        if self._error_is_due("commit"):
            return "error"
        return "mute" if self._count("mute_commits") else None

    def on_answer(self, session_id: str) -> AnswerFault:
        """The engine has answered a commit."""
        if not self._touches(session_id):
            return AnswerFault()
        return AnswerFault(
            delay_seconds=self.faults.answer_delay_seconds,
            malformation=self.faults.malformation if self._count("malformed_answers") else None,
            twice=self._count("double_answers"),
            echo=self._count("echo_partials"),
            drop_between_copies=self.faults.drop_between_copies and self._count("drop_times"),
        )

    def _touches(self, session_id: str) -> bool:
        return self.faults.session_id in ("", session_id)

    def _error_is_due(self, moment: ErrorMoment) -> bool:
        faults = self.faults
        return faults.error_type is not None and faults.error_when == moment and self._count("error_times")

    def _count(self, name: str) -> bool:
        """Use up one of the named faults; False when none is left."""
        left = getattr(self.faults, name)
        if left:
            self.faults = replace(self.faults, **{name: left - 1})
        return bool(left)
