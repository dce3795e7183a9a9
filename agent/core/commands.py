"""What a track's machine asks its edge to do, in the order given."""

from __future__ import annotations

from dataclasses import dataclass

from agent.core.model import Gap, Reason, Segment, Status


@dataclass(frozen=True, slots=True)
class OpenSession:
    """Open a recognizer session."""

    number: int


@dataclass(frozen=True, slots=True)
class CloseSession:
    """Close the recognizer session; nothing of it is awaited."""

    number: int
    lost: Reason | None = None
    """Why it is given up; None when it is just not needed any more."""
    detail: str = ""
    """One sentence about the fault."""


@dataclass(frozen=True, slots=True)
class SendAudio:
    """Send audio on the open session."""

    pcm: bytes


@dataclass(frozen=True, slots=True)
class Commit:
    """Ask the open session for the final text of what was sent."""


@dataclass(frozen=True, slots=True)
class Emit:
    """Something for the readers."""

    item: Segment | Gap | Status


Command = OpenSession | CloseSession | SendAudio | Commit | Emit
