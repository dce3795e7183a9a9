"""What a recognizer offers to a track."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from agent.core.ledger import Answer


@dataclass(frozen=True, slots=True)
class SessionReady:
    """The recognizer accepted the session; audio may be sent."""

    tells_left: bool = False
    """True when `Left` will report what has left this host; otherwise that is taken to be at once."""


@dataclass(frozen=True, slots=True)
class Left:
    """So much of what was given to the session has left this host by now."""

    samples: int
    """Since the session began."""
    commits: int
    """Since the session began."""


@dataclass(frozen=True, slots=True)
class Interim:
    """Text so far of the audio since the last commit."""

    text: str


@dataclass(frozen=True, slots=True)
class Plain:
    """An answer to a commit without times; its copy with times follows."""

    text: str


@dataclass(frozen=True, slots=True)
class Final:
    """An answer to a commit; times in seconds of audio sent on the session."""

    answer: Answer


RecognizerEvent = SessionReady | Left | Interim | Plain | Final


class RecognizerSession(Protocol):
    """One live connection for one track."""

    def send(self, pcm: bytes) -> None:
        """Send audio (PCM16 mono 16 kHz). Never blocks; what cannot be sent ends the session."""
        ...

    def commit(self) -> None:
        """Ask for the final text of all that was sent since the last commit."""
        ...

    def events(self) -> AsyncIterator[RecognizerEvent]:
        """What comes back, in order, until the session breaks.

        Raises:
            RecognizerError: the session was refused or lost.
        """
        ...

    async def aclose(self) -> None:
        """End the session at once; safe to call twice."""
        ...


class Recognizer(Protocol):
    """Opens sessions."""

    def open(self) -> RecognizerSession:
        """Begin to connect; the session says `SessionReady` when it is there."""
        ...

    async def aclose(self) -> None:
        """Release what all sessions share; safe to call twice."""
        ...
