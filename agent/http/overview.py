"""A session at a glance: what its transcription is doing, and the figures of the talk."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any, Literal

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse, Response
from livekit import api
from pydantic import Field

from agent.clock import timestamp
from agent.core.analytics import analyse
from agent.errors import LiveKitError
from agent.http.auth import reader_of_room
from agent.http.figures import AnalyticsShape, RoomAnalytics
from agent.http.livekit import LiveKit
from agent.http.paths import NamedRoom
from agent.http.record import SpeechShape
from agent.http.service import CurrentService
from agent.http.sessions import (
    ANSWERS,
    NamedSession,
    found_session,
    head,
    read_record,
    readable,
    speech_figures,
)
from agent.store.protocol import SessionInfo

router = APIRouter(tags=["transcripts"], dependencies=[Depends(reader_of_room)], responses=ANSWERS)

LOOK_SECONDS = 2.0
"""How long LiveKit may take to say whether a room lives of which nothing, or an end, is stored."""


class RoomStatus(SpeechShape):
    """What the transcription of a room is doing."""

    transcription: Literal["waiting", "running", "ended"] = Field(
        description="waiting: there is no transcriber at this moment; one is on its way, or was lost and "
        "another one is called. running: a transcriber is in the room and lives; `state` says whether all is "
        "well. ended: the session is over and its record whole.",
        examples=["running"],
    )
    written_at: str | None = Field(
        description="When the transcriber last stored something: ISO 8601, UTC; null when it never did.",
        examples=["2026-11-25T10:12:40.125Z"],
    )


@router.get(
    "/rooms/{name:room}/status",
    summary="What is the transcription doing?",
    response_class=JSONResponse,
    responses={200: {"model": RoomStatus}},
)
async def read_status(name: NamedRoom, service: CurrentService, session: NamedSession = None) -> Response:
    """Also of a room that has ended, and of one that lives and has no transcriber yet."""
    info = await service.store.find_session(name, session)
    if session is None and (info is None or info.ended_at is not None):
        living = await _living(service.livekit, name)
        if living is not None and (info is None or living.sid != info.session):
            return JSONResponse({**_new(living), "transcription": "waiting", "written_at": None})
    info = readable(info)
    if info.ended_at is not None:
        return _status(info, "ended")
    watched = (await service.store.watched([info.session]))[info.session]
    return _status(info, "running" if watched.beating else "waiting")


@router.get(
    "/rooms/{name:room}/analytics",
    summary="Who talked how much?",
    response_class=JSONResponse,
    responses={200: {"model": RoomAnalytics}},
)
async def read_analytics(name: NamedRoom, service: CurrentService, session: NamedSession = None) -> Response:
    """Talk, turns, overlaps, silences, response times: from segments and gaps alone, also while it runs."""
    info = await found_session(service.store, name, session)
    record = await read_record(service.store, info)
    # hours of talk take a moment: others must not wait for it
    figures = await asyncio.to_thread(
        analyse, [segment for _, segment in record.segments], [gap for _, gap in record.gaps]
    )
    return JSONResponse({**head(info), **AnalyticsShape.model_validate(figures).model_dump(mode="json")})


def _status(info: SessionInfo, transcription: str) -> JSONResponse:
    fields = {**head(info), **speech_figures(info)}
    return JSONResponse({**fields, "transcription": transcription, "written_at": info.written_at or None})


async def _living(livekit: LiveKit, room: str) -> api.Room | None:
    """The room as LiveKit has it; None when it does not live, or LiveKit cannot say."""
    try:
        async with asyncio.timeout(LOOK_SECONDS):
            found = await livekit.rooms(room)
    except (LiveKitError, TimeoutError):
        return None
    return found[0] if found else None


def _new(room: api.Room) -> dict[str, Any]:
    """The head of a session of which nothing is stored."""
    created = datetime.fromtimestamp((room.creation_time_ms or room.creation_time * 1000) / 1000, UTC)
    return {
        "room": room.name,
        "session": room.sid,
        "started_at": timestamp(created),
        "ended_at": None,
        "last_seq": 0,
        "state": None,
        "speech": 0.0,
        "unanswered": 0.0,
        "wordless": 0.0,
    }
