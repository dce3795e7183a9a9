"""What the routes of one service share, and how they get at it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from agent.core.delivery import Figures
from agent.http.events import Seen
from agent.http.feeds import Feeds
from agent.http.livekit import LiveKit
from agent.http.measures import Measures, Tasks
from agent.http.names import NewNames
from agent.http.slots import Slots
from agent.settings import Settings
from agent.store.protocol import Record

NAME = "interview-transcription"


@dataclass(frozen=True, slots=True)
class Service:
    """The parts of a running service."""

    settings: Settings
    livekit: LiveKit
    store: Record
    version: str
    """Of this program."""
    on_event: Callable[[str], None]
    """Called with the room's sid (or nothing) when LiveKit tells of a change of who is there."""
    feeds: Feeds
    """What live streams read."""
    slots: Slots
    """How many of them there may be."""
    background: Tasks
    """What runs beside the service."""
    webhooks: Figures | None = None
    """What this process has delivered; None when there is no WEBHOOK_URL."""
    new_names: NewNames = field(default_factory=NewNames)
    measures: Measures = field(default_factory=Measures)
    seen_events: Seen = field(default_factory=Seen)


async def current_service(request: Request) -> Service:
    """The service that the app was made with."""
    service: Service = request.app.state.service
    return service


CurrentService = Annotated[Service, Depends(current_service)]
