"""The record of a room: transcript, in any format, and windows; also while it runs."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from fastapi.responses import JSONResponse, Response
from pydantic import AfterValidator

from agent.core.exports import FORMATS
from agent.core.exports.file_name import content_disposition
from agent.core.fields import window_fields
from agent.http.auth import reader_of_room
from agent.http.paths import NamedRoom
from agent.http.record import Transcript, Windows
from agent.http.service import CurrentService
from agent.http.sessions import ANSWERS, NamedSession, found_session, head, read_record

router = APIRouter(tags=["transcripts"], dependencies=[Depends(reader_of_room)], responses=ANSWERS)

After = Annotated[
    int,
    Query(
        ge=0,
        le=2**63 - 1,
        description="Only what was stored after this `seq`: the `last_seq` of an earlier answer.",
        examples=[0],
    ),
]

EXAMPLES = {
    "txt": "[00:00:04] interviewer: Tell me about yourself.\n",
    "srt": "1\n00:00:04,200 --> 00:00:05,620\ninterviewer: Tell me about yourself.\n",
    "vtt": "WEBVTT\n\n00:00:04.200 --> 00:00:05.620\n<v interviewer>Tell me about yourself.\n",
    "csv": '"type","seq","start","end","speaker",…\r\n"segment","7","4.200","5.620","interviewer",…\r\n',
    "md": "**interviewer** 00:00:04\n\nTell me about yourself.\n",
}


def _known(name: str) -> str:
    """The name of a format.

    Raises:
        ValueError: it is none; says which there are.
    """
    if name not in FORMATS:
        raise ValueError(f"must be one of {', '.join(FORMATS)}")
    return name


FormatName = Annotated[
    str,
    AfterValidator(_known),
    Query(
        description="`json` has all that is known; `txt` and `md` are for reading, `srt` and `vtt` are "
        "subtitles, `csv` is for spreadsheets. Gaps are in each.",
        json_schema_extra={"enum": list(FORMATS)},
        examples=["json"],
    ),
]

FILE_HEADERS: dict[str, Any] = {
    "Content-Disposition": {
        "description": "`inline` for json, else `attachment`; with the room's name as that of a file "
        "(RFC 6266: `filename` in ASCII, `filename*` in UTF-8).",
        "schema": {"type": "string"},
    }
}


@router.get(
    "/rooms/{name:room}/transcript",
    summary="Read what was said",
    response_class=JSONResponse,
    responses={
        200: {
            "model": Transcript,
            "headers": FILE_HEADERS,
            "content": {
                FORMATS[name].media_type.partition(";")[0]: {"schema": {"type": "string"}, "example": example}
                for name, example in EXAMPLES.items()
            },
        }
    },
)
async def read_transcript(
    name: NamedRoom,
    service: CurrentService,
    after: After = 0,
    format: FormatName = "json",
    session: NamedSession = None,
) -> Response:
    """Final segments in order of time, and what is missing. Ask again with `after` for what is new."""
    info = await found_session(service.store, name, session)
    record = await read_record(service.store, info, after)
    chosen = FORMATS[format]
    # hours of talk take a good part of a second: others must not wait for it
    text = await asyncio.to_thread(chosen.render, record)
    # a page that shows the API's answers cannot show an attachment
    kind = "inline" if format == "json" else "attachment"
    return Response(
        text.encode(),
        headers={
            "Content-Type": chosen.media_type,
            "Content-Disposition": content_disposition(kind, name, format),
        },
    )


@router.get(
    "/rooms/{name:room}/windows",
    summary="Read the windows",
    response_class=JSONResponse,
    responses={200: {"model": Windows}},
)
async def read_windows(name: NamedRoom, service: CurrentService, session: NamedSession = None) -> Response:
    """The latest revision of every window that has closed, in order of time."""
    info = await found_session(service.store, name, session)
    windows = await service.store.windows(info.session)
    return JSONResponse(
        {**head(info), "windows": [{"seq": seq, **window_fields(window)} for seq, window in windows]}
    )
