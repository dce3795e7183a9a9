"""What a scene and the process of a voice tell each other: lines over a Unix socket.

scene -> voice: one of ORDERS
voice -> scene: JSON, one of the values below, with its `type`; `Done` follows each order
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field, TypeAdapter

ORDERS: Final = (
    "talk",
    "hush",
    "mute",
    "unmute",
    "unpublish",
    "publish",
    "leave",
    "join",
    "heard",
    "bye",
)
"""talk: sentence after sentence; hush: finish the sentence, then be silent; leave: in mid word if need be;
heard: wait until somebody has subscribed to the microphone; bye: leave and end the process."""


@dataclass(frozen=True, slots=True)
class VoicePlan:
    """What a voice needs to know."""

    identity: str
    url: str
    token: str
    socket: str
    """Path of the scene's Unix socket."""
    first_word: int
    """Number of its first word; each word is said once."""
    offset_seconds: float
    """Its first sentence begins so long after "talk"."""
    talk_seconds: float
    """So much speech is made ready."""


@dataclass(frozen=True, slots=True)
class Say:
    """A word has been sent, whole or torn."""

    text: str
    start: float
    """Unix time."""
    end: float
    """Unix time."""
    whole: bool
    type: Literal["say"] = "say"


@dataclass(frozen=True, slots=True)
class Done:
    """An order was carried out."""

    order: str
    at: float
    """Unix time."""
    type: Literal["done"] = "done"


@dataclass(frozen=True, slots=True)
class Link:
    """The voice's own connection to the room changed."""

    up: bool
    at: float
    """Unix time."""
    type: Literal["link"] = "link"


@dataclass(frozen=True, slots=True)
class Late:
    """How late a frame was handed over at most, seconds."""

    seconds: float
    type: Literal["late"] = "late"


Told = Annotated[Say | Done | Link | Late, Field(discriminator="type")]

TOLD: Final[TypeAdapter[Say | Done | Link | Late]] = TypeAdapter(Told)
PLAN: Final = TypeAdapter(VoicePlan)


def write_plan(plan: VoicePlan, path: Path) -> None:
    """Keep a plan for the process that will carry it out."""
    path.write_bytes(PLAN.dump_json(plan))


def read_plan(path: Path) -> VoicePlan:
    """The plan that `write_plan` kept."""
    return PLAN.validate_json(path.read_bytes())
