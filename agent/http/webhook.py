"""LiveKit's own calls: what has happened in a room, so that supervision need not wait for its next look."""

from __future__ import annotations

import json
from typing import Any

from fastapi import APIRouter, Depends, HTTPException, Request, Response

from agent.http.answers import Problem
from agent.http.auth import livekit_itself
from agent.http.limits import EVENTS_PATH
from agent.http.service import CurrentService

WORTH_A_LOOK = frozenset(
    {"room_started", "participant_joined", "participant_left", "participant_connection_aborted"}
)
"""After these a room may have nobody who transcribes it."""

router = APIRouter(
    tags=["webhook"],
    dependencies=[Depends(livekit_itself)],
    responses={401: {"model": Problem, "description": "Not signed by LiveKit, or changed on its way."}},
)


@router.post(
    EVENTS_PATH,
    summary="Events from LiveKit",
    responses={422: {"model": Problem, "description": "The body is no event."}},
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/webhook+json": {"schema": {"type": "object"}}},
        }
    },
)
async def webhook(request: Request, service: CurrentService) -> Response:
    """For the LiveKit server's `webhook.urls`. Signed with the service's key over the body as it was sent."""
    try:
        event: Any = json.loads(await request.body())
    except (ValueError, RecursionError) as error:
        raise HTTPException(422, "The body is no JSON.") from error
    if not isinstance(event, dict) or not isinstance(event.get("event"), str):
        raise HTTPException(422, "The body is no event.")
    if event["event"] in WORTH_A_LOOK and service.seen_events.is_new(str(event.get("id") or "")):
        room = event.get("room")
        service.on_event(str(room.get("sid") or "") if isinstance(room, dict) else "")
    return Response(status_code=200)
