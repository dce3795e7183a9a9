"""What the bench and its room processes tell each other: JSON lines over a Unix socket.

room process -> bench: Heard, then Done
bench -> room process: "go", then "leave"
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from bench.words import Arrival, SaidWord

LINE_LIMIT = 64 * 1024 * 1024
"""Bytes of one line: a result holds every interim of a run."""


@dataclass(frozen=True, slots=True)
class SpeakerPlan:
    """One participant and what it says."""

    identity: str
    token: str
    sentences: tuple[tuple[tuple[int, float], ...], ...]
    """For every sentence its words: number, and start in seconds after "go"."""


@dataclass(frozen=True, slots=True)
class RoomPlan:
    """What one room process does."""

    room: str
    url: str
    socket: str
    """Path of the bench's Unix socket."""
    speakers: tuple[SpeakerPlan, ...]
    wait_for_finals_seconds: float
    """How long after the last word finals are awaited; 0 when nobody answers (floor)."""


@dataclass(frozen=True, slots=True)
class RoomResult:
    """What was said in a room and what came back."""

    room: str
    said: tuple[SaidWord, ...]
    arrivals: tuple[Arrival, ...]
    gaps: int
    strays: int
    """Packets of our topic that could not be read."""
    latest_seconds: float
    """How late a frame was handed over, at most: the machine's own part in the delays."""
    stalls: int
    """Times a microphone was held up longer than it can catch up."""


PLAN = TypeAdapter(RoomPlan)
RESULT = TypeAdapter(RoomResult)


def write_plan(plan: RoomPlan, path: Path) -> None:
    """Keep a plan for the process that will carry it out."""
    path.write_bytes(PLAN.dump_json(plan))


def read_plan(path: Path) -> RoomPlan:
    """The plan that `write_plan` kept."""
    return PLAN.validate_json(path.read_bytes())
