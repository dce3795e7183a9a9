"""The values of a session: what was said, by whom, when, and what is missing.

All times are room time (seconds, float, since the room was created) unless a name says otherwise. In values
that have a start and an end, whatever is put in, the start is at least 0 and the end at least 1 ms later.
All sample counts are of 16 kHz mono PCM16 audio of one track, counted from its first frame.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self

SAMPLE_RATE = 16_000
"""Hz, of every frame inside the project."""

LEAST_SECONDS = 0.001
"""Shortest time between a start and its end; times are rounded to this for readers."""

BYTES_PER_SAMPLE = 2
"""PCM16, little endian, mono."""


class _Growing(StrEnum):
    """A set of words to which newer programs may add.

    During a roll-out this program reads what a newer one wrote: a word that is not known here is kept as it
    is, compares equal to itself, and is passed on. A value that is not such a word is a ValueError.
    """

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str) or not re.fullmatch(r"[a-z][a-z0-9_]{0,63}", value):
            return None
        unknown = str.__new__(cls, value)
        unknown._name_ = value.upper()
        unknown._value_ = value
        return unknown


class State(_Growing):
    """What the transcription of a room, or of one speaker, is doing."""

    LISTENING = "listening"
    DEGRADED = "degraded"
    STOPPED = "stopped"


class Reason(_Growing):
    """Why audio is missing (gap) or why a state is not `listening` (status)."""

    RECOGNIZER_UNREACHABLE = "recognizer_unreachable"
    RECOGNIZER_ERROR = "recognizer_error"
    RECOGNIZER_SLOW = "recognizer_slow"
    RATE_LIMITED = "rate_limited"
    QUOTA_EXCEEDED = "quota_exceeded"
    AUTH_ERROR = "auth_error"
    UNACCEPTED_TERMS = "unaccepted_terms"
    OVERFLOW = "overflow"
    STALLED = "stalled"
    AUDIO_DAMAGED = "audio_damaged"
    STORE_UNREACHABLE = "store_unreachable"
    TRANSCRIBER_LOST = "transcriber_lost"
    CONNECTION_LOST = "connection_lost"
    INTERNAL_ERROR = "internal_error"
    OPTED_OUT = "opted_out"
    ENCRYPTED = "encrypted"
    NO_WORDS = "no_words"
    ENDED = "ended"
    ERASED = "erased"


@dataclass(frozen=True, slots=True)
class Speaker:
    """One participant as readers see it; two tracks of one participant are one speaker."""

    identity: str
    """Unique key of the participant in the room (from its token)."""
    name: str = ""
    """Shown name; not unique, may be empty."""
    role: str = ""
    """interviewer, candidate, agent, participant …; empty when the participant has none."""
    label: str = ""
    """Text shown before a line; unique in the session, fixed once words were shown under it."""


class _Spanned:
    """A value with a start and an end that are in order."""

    __slots__ = ()
    start: float
    end: float

    def __post_init__(self) -> None:
        start, end = self.start, self.end
        if start >= 0.0 and end - start >= 2 * LEAST_SECONDS:
            return
        start = max(0.0, start)  # in this order: what is not a number becomes 0, too
        if not round(end, 3) > round(start, 3):
            end = round(round(start, 3) + LEAST_SECONDS, 3)
        object.__setattr__(self, "start", start)
        object.__setattr__(self, "end", end)


@dataclass(frozen=True, slots=True)
class Word(_Spanned):
    """One recognized word."""

    text: str
    start: float
    """Room time, seconds."""
    end: float
    """Room time, seconds."""

    @property
    def middle(self) -> float:
        """Room time by which the word belongs to a window."""
        return (self.start + self.end) / 2


@dataclass(frozen=True, slots=True)
class Segment(_Spanned):
    """The text of one utterance, interim or final."""

    segment_id: str
    """Stable from the first interim to the final; unique in the session."""
    revision: int
    """1 for the first version a reader sees, one more with each change."""
    final: bool
    """True when the text will not change any more."""
    speaker: Speaker
    track_sid: str
    source: str
    """microphone, screen_share_audio or unknown."""
    start: float
    end: float
    text: str
    """Empty only in a final that takes back its interims (nothing was said after all)."""
    words: tuple[Word, ...] = ()
    """Empty in interims."""
    language: str = ""
    """ISO 639 code that the recognizer reported, else the one it was asked for (`STT_LANGUAGE`), or empty."""
    confidence: float | None = None
    """0..1, or None when the recognizer gives none."""


@dataclass(frozen=True, slots=True)
class Turn(_Spanned):
    """What one speaker says before another does, inside one window."""

    speaker: Speaker
    start: float
    end: float
    text: str


@dataclass(frozen=True, slots=True)
class Window:
    """Everything said in `[start, end)`: window k covers `[k * hop, k * hop + size)`."""

    window_id: int
    """k."""
    revision: int
    """1 when it closes first, one more for each late change."""
    start: float
    end: float
    complete: bool
    """False when it closed at the allowed lateness with speech still unanswered."""
    pending: tuple[str, ...]
    """Labels of the speakers whose speech in it is still unanswered; empty when complete."""
    turns: tuple[Turn, ...]
    words: int
    """How many words the turns hold."""
    segments: int
    """How many segments have a word in it."""

    @property
    def text(self) -> str:
        """One line `label: words` a turn, in order of time."""
        return self.get_text()

    def get_text(self, include_speakers: bool = True) -> str:
        """One turn a line, with or without `label: ` before it."""
        return "\n".join(
            f"{turn.speaker.label}: {turn.text}" if include_speakers else turn.text for turn in self.turns
        )

    @property
    def window_start(self) -> float:
        """`start`, by the name that `TranscriptBuffer`'s users know."""
        return self.start

    @property
    def window_end(self) -> float:
        """`end`, by the name that `TranscriptBuffer`'s users know."""
        return self.end

    @property
    def speaker_turns(self) -> tuple[Turn, ...]:
        """`turns`, by the name that `TranscriptBuffer`'s users know."""
        return self.turns

    def __len__(self) -> int:
        """How many segments have a word in it."""
        return self.segments


@dataclass(frozen=True, slots=True)
class Gap(_Spanned):
    """A span of one track that has no transcript, and why."""

    speaker: Speaker
    track_sid: str
    start: float
    end: float
    reason: Reason


@dataclass(frozen=True, slots=True)
class Status:
    """A change of state of the room's transcription, or of one speaker's."""

    state: State
    reason: Reason | None = None
    speaker: Speaker | None = None
    """None when the whole room is meant."""
    detail: str = ""
    """One sentence for a person; never speech, never a secret."""


@dataclass(frozen=True, slots=True)
class Accounting:
    """Seconds of one speaker's audio. `heard = speech + silence`; at the end `speech = answered + gap`."""

    speaker: Speaker
    heard: float = 0.0
    """Received from the room."""
    speech: float = 0.0
    """Given to the recognizer's side by the gate: pre-roll, speech, hangover."""
    sent: float = 0.0
    """Sent to the recognizer, replays and padding included: what is paid for."""
    answered: float = 0.0
    """Covered by an answer of the recognizer, an empty one included."""
    gap: float = 0.0
    """Speech that arrived and was given up; each such span is also a `Gap`."""
    replayed: float = 0.0
    """Sent again after a drop; part of `sent`."""
    reconnects: int = 0
    """Recognizer sessions that were refused, lost, or closed by the recognizer."""
    wordless: float = 0.0
    """Answered with no word; part of `answered`."""
    not_received: float = 0.0
    """Audio that never arrived: with `gap`, as long as all gaps of the speaker."""

    @property
    def silence(self) -> float:
        """Seconds heard and not given to the recognizer."""
        return self.heard - self.speech

    @property
    def balanced(self) -> bool:
        """True when nothing is open: every second of speech was answered or is a gap."""
        return abs(self.speech - self.answered - self.gap) < 1e-6


@dataclass(frozen=True, slots=True)
class End:
    """The last message of a session."""

    segments: int
    words: int
    windows: int
    gaps: int
    started_at: str
    """ISO 8601, UTC: the room's creation."""
    ended_at: str
    """ISO 8601, UTC."""
    accounting: tuple[Accounting, ...] = field(default=())


Item = Segment | Window | Gap | Status | End
"""What readers get. Final segments, windows, gaps, statuses and the end are stored and numbered (`seq`)."""
