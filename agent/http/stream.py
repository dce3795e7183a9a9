"""The record as it grows: Server-Sent Events of one room, from the start or from where a reader was.

The response is Starlette's own, with events that are made once for all readers. FastAPI's EventSourceResponse
would make them for each; sse-starlette would write each one, which is speech, into the debug log.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from math import inf
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from agent.core.history import MAX_SEQ
from agent.http.answers import STORE_FAILS, Problem
from agent.http.auth import REFUSALS, listener_of_room
from agent.http.callers import Participant
from agent.http.names import Sid
from agent.http.paths import HEAD, NamedRoom
from agent.http.reading import Reading, lingers_seconds
from agent.http.service import CurrentService
from agent.http.sessions import erased, no_transcript
from agent.http.stream_events import Position, read_id
from agent.store.protocol import RoomLife

router = APIRouter(tags=["transcripts"], responses={**REFUSALS, **STORE_FAILS})

MEDIA_TYPE = "text/event-stream"
HEADERS = {
    "Cache-Control": "no-store, no-transform",  # whoever compresses also holds back
    "X-Accel-Buffering": "no",  # nginx passes each event on at once
    "Referrer-Policy": "no-referrer",  # a token may be in the address
}

_EXAMPLE = """retry: 2000

event: connected
data: {"room":"a","session":"RM_jWckC8KTYYyd","started_at":"2026-11-25T10:00:00.000Z","ended_at":null,"last_seq":7,"after":0}

event: transcript
data: {"room":"a","session":"RM_jWckC8KTYYyd","seq":7,"timestamp":"2026-11-25T10:00:04.200Z","speaker":"interviewer", …}
id: 7@RM_jWckC8KTYYyd

"""  # noqa: E501 - lines of the wire


@router.get(
    "/rooms/{name:room}/stream",
    summary="Follow what is said",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "Events `connected`, `transcript`, `window`, `gap`, `status`, `end`, `closing`: "
            "docs/api.md says what each holds.",
            "content": {"text/event-stream": {"example": _EXAMPLE}},
        },
        204: {"description": "The reader has had everything, and nothing more will come: do not come again."},
        404: {"model": Problem, "description": "The room has no such `session`."},
        410: {"model": Problem, "description": "What was said in the session was erased."},
        429: {"model": Problem, "description": "This participant, or key, holds enough streams open."},
        503: {"model": Problem, "description": "The database did not answer, or too many streams are open."},
    },
)
async def follow_room(
    *,
    request: Request,
    name: NamedRoom,
    service: CurrentService,
    listener: Annotated[Participant | None, Depends(listener_of_room)],
    last_event_id: Annotated[
        str | None,
        Header(
            description="The last id that came: goes on behind it. A bare `seq` counts in the latest "
            "session. An id that this stream has not given gets everything from the start."
        ),
    ] = None,
    after: Annotated[
        int, Query(ge=0, le=MAX_SEQ, description="Begin behind this `seq` when there is no last id.")
    ] = 0,
    session: Annotated[
        Sid | None,
        Query(description="sid of one life of the room, to stay in it; else the latest, then later ones."),
    ] = None,
) -> Response:
    """All of the record, then what comes, as soon as it is stored; waits for a room that has not begun."""
    known = read_id(last_event_id) if last_event_id else None
    asked = _position(known, 0 if last_event_id else after, session)
    async with service.feeds.entry:
        lives = await service.store.lives(name, asked.session)
    if not lives and session is not None:
        raise no_transcript()
    reached = asked.seq if lives and asked.seq <= lives[0].last_seq else 0
    gone = not lives or lives[0].erased_at is not None
    if gone and asked.session is not None and session is None:
        # what the reader had is erased: what is there now is new to it
        lives = await service.store.lives(name)
    if known is not None and _nothing_more(lives, reached, pinned=session is not None):
        return Response(status_code=204, headers=HEADERS)
    if lives and lives[0].erased_at is not None:
        raise erased(lives[0].erased_at)
    if request.scope[HEAD]:
        return Response(headers=HEADERS, media_type=MEDIA_TYPE)
    reading = Reading(
        service.feeds,
        name,
        lives[0] if lives else None,
        reached,
        pinned=session is not None,
        seconds=listener.until_unix_seconds - time.time() if listener else inf,
    )
    caller = f"{name}\n{listener.identity}" if listener else request.state.caller
    service.slots.take(caller, participant=listener is not None)
    return _Stream(reading.chunks(), lambda: service.slots.give_back(caller))


def _position(known: Position | None, after: int, session: str | None) -> Position:
    """Where the reader was; at the start of the session that it asks for when its id is of another one."""
    if known is None:
        return Position(after, session)
    if session is not None and known.session not in (None, session):
        return Position(0, session)
    return Position(known.seq, session or known.session)


def _nothing_more(lives: list[RoomLife], reached: int, *, pinned: bool) -> bool:
    """True when a reader that comes again has had everything, and no more will come."""
    if not lives or lives[0].erased_at is not None:
        return True  # and the room has not begun anew
    life, left = lives[0], len(lives) > 1
    if reached < life.last_seq or (left and not pinned):
        return False
    return lingers_seconds(life) <= 0 or (left and life.ended_at is not None)


class _Stream(StreamingResponse):
    """Sends the chunks, whoever ends it."""

    def __init__(self, chunks: AsyncGenerator[bytes], on_end: Callable[[], None]) -> None:
        super().__init__(chunks, headers=HEADERS, media_type=MEDIA_TYPE)
        self._chunks = chunks
        self._on_end = on_end

    async def stream_response(self, send: Send) -> None:
        """As Starlette does; the chunks' own clearing up is done at once, not when they are collected."""
        async with aclosing(self._chunks):
            await super().stream_response(send)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._on_end()
