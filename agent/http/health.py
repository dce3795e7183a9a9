"""Is it up, and does it reach LiveKit?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from agent.clock import timestamp
from agent.core.delivery import Figures
from agent.errors import LiveKitError
from agent.http.answers import Problem
from agent.http.auth import anyone
from agent.http.client_url import client_url, doubts
from agent.http.service import NAME, CurrentService

router = APIRouter(tags=["health"], dependencies=[Depends(anyone)])


class Up(BaseModel):
    """The service itself is up."""

    status: Literal["ok"] = "ok"
    service: str = Field(examples=[NAME])
    version: str = Field(examples=["0.1.0"])
    livekit_configured: bool = Field(description="Whether address and key of the LiveKit server are set.")


class Webhooks(BaseModel):
    """What this process has posted since it started."""

    state: Literal["ok", "failing", "gone"] = Field(
        description="failing: the last try failed; gone: the receiver answered 410, nothing is sent any more."
    )
    delivered: int = Field(examples=[512])
    failed: int = Field(description="Tries that are repeated.", examples=[3])
    refused: int = Field(description="Answered with 4xx, and not sent again.", examples=[0])
    given_up: int = Field(description="Not delivered within a day.", examples=[0])


class Healthy(BaseModel):
    """The service is up and LiveKit answered it."""

    status: Literal["healthy", "degraded"] = Field(
        description="degraded: calls are answered, and a task beside the service is failing."
    )
    background: Mapping[str, Literal["running", "failing", "over"]] = Field(
        description="Tasks beside the service. failing: it begins again after a pause, or waits for the "
        "database or LiveKit; over: it has nothing to do any more.",
        examples=[{"record": "over", "supervisor": "running", "courier": "running"}],
    )
    livekit_url: str = Field(description="What clients are given.", examples=["wss://livekit.example.com"])
    warnings: list[str] = Field(
        description="What is likely to be wrong with the settings, in sentences for the operator.",
        examples=[[]],
    )
    webhooks: Webhooks | None = Field(None, description="null when there is no `WEBHOOK_URL`.")
    timestamp: str = Field(
        description="When LiveKit answered: ISO 8601, UTC.", examples=["2026-11-25T10:00:00.123Z"]
    )


@router.get("/", summary="Is the service up?")
async def root(service: CurrentService) -> Up:
    """Answers as soon as the service runs, whatever LiveKit does. Needs no credential."""
    return Up(service=NAME, version=service.version, livekit_configured=service.livekit.configured)


@router.get(
    "/health",
    summary="Does the service reach LiveKit?",
    responses={503: {"model": Problem, "description": "LiveKit is not configured, or did not answer."}},
)
async def health(service: CurrentService) -> Healthy:
    """Asks the LiveKit server something small with the service's key. Needs no credential."""
    try:
        await service.livekit.check()
    except LiveKitError as error:
        # whatever is wrong with LiveKit, this service cannot do its work
        raise LiveKitError(str(error), status=503) from error
    now = timestamp()
    webhooks = _told(service.webhooks) if service.webhooks else None
    states = service.background.states()
    return Healthy(
        status="degraded" if "failing" in states.values() else "healthy",
        background=states,
        livekit_url=client_url(service.settings),
        warnings=doubts(service.settings),
        webhooks=webhooks,
        timestamp=now,
    )


def _told(figures: Figures) -> Webhooks:
    counts = {name: getattr(figures, name) for name in ("delivered", "failed", "refused", "given_up")}
    return Webhooks(state="gone" if figures.gone else "failing" if figures.failing else "ok", **counts)
