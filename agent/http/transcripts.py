"""The record of a room: transcript and windows, also while it runs."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Query
from fastapi.responses import JSONResponse, PlainTextResponse, Response

from agent.core.exports import txt
from agent.core.fields import accounting_fields, gap_fields, segment_fields, status_fields, window_fields
from agent.http.answers import STORE_FAILS, Problem
from agent.http.auth import REFUSALS, reader_of_room
from agent.http.paths import NamedRoom
from agent.http.record import Transcript, Windows
from agent.http.service import CurrentService
from agent.store.protocol import Reader, SessionInfo

router = APIRouter(
    tags=["transcripts"],
    dependencies=[Depends(reader_of_room)],
    responses={
        **REFUSALS,
        **STORE_FAILS,
        404: {
            "model": Problem,
            "description": "Nothing was ever transcribed in this room, or no such session.",
        },
    },
)

NamedSession = Annotated[
    str | None,
    Query(
        description="sid of an earlier life of the room; its latest one when not given.",
        examples=["RM_jWckC8KTYYyd"],
    ),
]
After = Annotated[
    int,
    Query(
        ge=0,
        le=2**63 - 1,
        description="Only what was stored after this `seq`: the `last_seq` of an earlier answer.",
        examples=[0],
    ),
]


class Format(StrEnum):
    """How the transcript is written."""

    JSON = "json"
    TXT = "txt"


@router.get(
    "/rooms/{name:room}/transcript",
    summary="Read what was said",
    response_class=JSONResponse,
    responses={
        200: {
            "model": Transcript,
            "content": {"text/plain": {"example": "[00:00:04] interviewer: Tell me about yourself.\n"}},
        }
    },
)
async def read_transcript(
    name: NamedRoom,
    service: CurrentService,
    after: After = 0,
    format: Annotated[
        Format, Query(description="`txt`: `[HH:MM:SS] label: text`, one segment a line.")
    ] = Format.JSON,
    session: NamedSession = None,
) -> Response:
    """Final segments in order of time, and what is missing. Ask again with `after` for what is new."""
    info = await _found(service.store, name, session)
    # the session's number was read first: a segment stored since then is left to the next question
    segments = [
        (seq, segment)
        for seq, segment in await service.store.segments(info.session, after)
        if seq <= info.last_seq
    ]
    if format is Format.TXT:
        return PlainTextResponse(txt.render(segment for _, segment in segments))
    gaps = await service.store.gaps(info.session)
    return JSONResponse(
        {
            **_head(info),
            "segments": [{"seq": seq, **segment_fields(segment)} for seq, segment in segments],
            "gaps": [{"seq": seq, **gap_fields(gap)} for seq, gap in gaps if after < seq <= info.last_seq],
            "accounting": [accounting_fields(sums) for sums in info.accounting],
        }
    )


@router.get(
    "/rooms/{name:room}/windows",
    summary="Read the windows",
    response_class=JSONResponse,
    responses={200: {"model": Windows}},
)
async def read_windows(name: NamedRoom, service: CurrentService, session: NamedSession = None) -> Response:
    """The latest revision of every window that has closed, in order of time."""
    info = await _found(service.store, name, session)
    windows = await service.store.windows(info.session)
    return JSONResponse(
        {**_head(info), "windows": [{"seq": seq, **window_fields(window)} for seq, window in windows]}
    )


async def _found(store: Reader, room: str, session: str | None) -> SessionInfo:
    info = await store.find_session(room, session)
    if info is None:
        raise HTTPException(404, "No transcript of this room.")
    return info


def _head(info: SessionInfo) -> dict[str, Any]:
    return {
        "room": info.room,
        "session": info.session,
        "started_at": info.started_at,
        "ended_at": info.ended_at,
        "last_seq": info.last_seq,
        "state": status_fields(info.state) if info.state else None,
    }
