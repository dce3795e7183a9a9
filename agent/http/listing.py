"""The list of sessions: newest first, in pages; of a room, those that run, those in which a word was said."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import Field

from agent.core.fields import seconds
from agent.core.search import parse_search
from agent.http.answers import STORE_FAILS
from agent.http.auth import REFUSALS, key_holder
from agent.http.record import Shape, SpeechShape
from agent.http.service import CurrentService
from agent.http.sessions import head, speech_figures
from agent.store.dates import unix_ms
from agent.store.listing import MATCHES_TOLD, Listed, Position, Wanted

router = APIRouter(
    tags=["transcripts"], dependencies=[Depends(key_holder)], responses={**REFUSALS, **STORE_FAILS}
)

PAGE = 20
MAX_PAGE = 100
"""Sessions of a page."""
MAX_SEARCH_CHARS = 200
MAX_ROOM_CHARS = 256
MAX_DATE_CHARS = 64
MAX_CURSOR_CHARS = 1_000
CURSOR = r"^-?[0-9]{1,15}\.([0-9a-f]{2})*$"
"""What `cursor_of` writes: Unix milliseconds of four-digit years, and bytes."""

Text = Annotated[
    str | None,
    Query(
        min_length=1,
        max_length=MAX_SEARCH_CHARS,
        description="Only sessions in which somebody said this: all words in one segment, in any order, "
        'whatever case and accents; `"these in this order"`; `begin*` for the beginning of a word. Nothing '
        "else has a meaning.",
        examples=['kafka "event sourcing"'],
    ),
]
Room = Annotated[
    str | None,
    Query(
        max_length=MAX_ROOM_CHARS,
        description="Only sessions of the room of exactly this name.",
        examples=["interview-20261125-100000"],
    ),
]
Only = Annotated[
    Literal["running", "ended"] | None,
    Query(description="Only those that run, or that have ended.", examples=["ended"]),
]


def _date(what: str) -> Any:
    return Query(
        max_length=MAX_DATE_CHARS,
        description=f"Only sessions that started {what}: ISO 8601; UTC when it has no zone.",
        json_schema_extra={"format": "date-time"},
        examples=["2026-11-25T00:00:00Z"],
    )


class MatchShape(Shape):
    """A segment that holds all that was searched for."""

    seq: int = Field(examples=[7])
    start: float = Field(description="Seconds since the room was created.", examples=[4.2])
    speaker: str = Field(description="Label.", examples=["interviewer"])
    text: str = Field(examples=["Have you used Kafka for event sourcing?"])


class ListedShape(SpeechShape):
    """A session, and where in it the words were said."""

    erased_at: str | None = Field(
        description="When all that was said in it was erased: ISO 8601, UTC; null while it is there.",
        examples=[None],
    )
    matched: int = Field(description="How many segments match; 0 without `q`.", examples=[1])
    matches: list[MatchShape] = Field(
        description=f"The first {MATCHES_TOLD} of them, by start; none without `q`."
    )


class Sessions(Shape):
    """A page of sessions."""

    sessions: list[ListedShape] = Field(description="By `started_at`, the newest first.")
    next: str | None = Field(
        description="The `cursor` of the next page; null when there is none.",
        examples=["1795600800000.524d5f6a57636b43384b5459597964"],
    )


async def wanted(
    *,
    q: Text = None,
    room: Room = None,
    only: Only = None,
    started_from: Annotated[str | None, _date("then or later")] = None,
    started_before: Annotated[str | None, _date("earlier")] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE, description="Sessions of a page.", examples=[20])] = PAGE,
    cursor: Annotated[
        str | None,
        Query(
            max_length=MAX_CURSOR_CHARS,
            pattern=CURSOR,
            description="`next` of the page before, with the same filters; nothing for the first page.",
        ),
    ] = None,
) -> Wanted:
    """What was asked for.

    Raises:
        RequestValidationError: a date is none.
    """
    return Wanted(
        limit=limit,
        before=None if cursor is None else position_of(cursor),
        room=room,
        ended=None if only is None else only == "ended",
        started_from_unix_ms=_unix_ms("started_from", started_from),
        started_before_unix_ms=_unix_ms("started_before", started_before),
        search=None if q is None else parse_search(q),
    )


@router.get(
    "/transcripts",
    summary="List and search sessions",
    response_class=JSONResponse,
    responses={200: {"model": Sessions}},
)
async def list_sessions(service: CurrentService, page: Annotated[Wanted, Depends(wanted)]) -> Response:
    """Sessions of all rooms. Pages do not shift: sessions that begin meanwhile are on a new first page."""
    # one more than asked for tells whether there is a next page
    found = await service.store.list_sessions(replace(page, limit=page.limit + 1))
    shown = found[: page.limit]
    following = cursor_of(shown[-1].position) if len(found) > page.limit else None
    return JSONResponse({"sessions": [_fields(one) for one in shown], "next": following})


def cursor_of(position: Position) -> str:
    """Where the next page begins, as one word."""
    return f"{position.started_unix_ms}.{position.session.encode().hex()}"


def position_of(cursor: str) -> Position:
    """What `cursor_of` wrote; of anything else of its form, some place in the list."""
    unix, _, sid = cursor.partition(".")
    return Position(int(unix), bytes.fromhex(sid).decode(errors="replace"))


def _unix_ms(name: str, date: str | None) -> int | None:
    """The date that a parameter holds.

    Raises:
        RequestValidationError: it holds none.
    """
    try:
        return None if date is None else unix_ms(date)
    except (ValueError, OverflowError) as error:
        says = "Value error, must be ISO 8601, like 2026-11-25T10:00:00Z (write %2B for a +)"
        raise RequestValidationError(
            [{"type": "value_error", "loc": ("query", name), "msg": says}]
        ) from error


def _fields(one: Listed) -> dict[str, Any]:
    return {
        **head(one.info),
        **speech_figures(one.info),
        "erased_at": one.info.erased_at,
        "matched": one.matched,
        "matches": [
            {"seq": match.seq, "start": seconds(match.start), "speaker": match.speaker, "text": match.text}
            for match in one.matches
        ],
    }
