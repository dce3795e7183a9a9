"""Which session a call is about, and what every answer about one begins with."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import HTTPException, Query

from agent.core.exports import Record
from agent.core.fields import seconds, status_fields
from agent.http.answers import STORE_FAILS, Problem
from agent.http.auth import REFUSALS
from agent.http.names import Sid
from agent.store.protocol import Reader, SessionInfo

NamedSession = Annotated[
    Sid | None,
    Query(
        description="sid of an earlier life of the room; its latest one when not given.",
        examples=["RM_jWckC8KTYYyd"],
    ),
]

ANSWERS: dict[int | str, dict[str, Any]] = {
    **REFUSALS,
    **STORE_FAILS,
    404: {"model": Problem, "description": "Nothing was ever transcribed in this room, or no such session."},
    410: {"model": Problem, "description": "What was said in this session was erased."},
}
"""What a call about a session may answer beside 200."""


async def found_session(store: Reader, room: str, session: str | None) -> SessionInfo:
    """The session.

    Raises:
        HTTPException: 404, there is none; 410, it was erased.
    """
    return readable(await store.find_session(room, session))


def readable(info: SessionInfo | None) -> SessionInfo:
    """The session that was looked for.

    Raises:
        HTTPException: 404, there is none; 410, it was erased.
    """
    if info is None:
        raise no_transcript()
    if info.erased_at is not None:
        raise erased(info.erased_at)
    return info


def no_transcript() -> HTTPException:
    """The answer for a room of which nothing is stored."""
    return HTTPException(404, "No transcript of this room.")


def erased(at: str) -> HTTPException:
    """The answer for a session of which only a tombstone is stored."""
    return HTTPException(410, f"The transcript of this session was erased at {at}.")


def head(info: SessionInfo) -> dict[str, Any]:
    """The fields of `SessionShape`."""
    return {
        "room": info.room,
        "session": info.session,
        "started_at": info.started_at,
        "ended_at": info.ended_at,
        "last_seq": info.last_seq,
        "state": status_fields(info.state) if info.state else None,
    }


def speech_figures(info: SessionInfo) -> dict[str, float]:
    """The fields of `SpeechShape`, over all speakers."""
    return {
        "speech": seconds(sum((one.speech for one in info.accounting), 0.0)),
        "unanswered": seconds(sum((max(one.speech - one.answered, 0.0) for one in info.accounting), 0.0)),
        "wordless": seconds(sum((one.wordless for one in info.accounting), 0.0)),
    }


async def read_record(store: Reader, info: SessionInfo, after: int = 0) -> Record:
    """What is stored after `after`, up to the `last_seq` that was read first.

    What is stored since then is left to the next question, which would else tell it twice.
    """
    segments = await store.segments(info.session, after)
    gaps = await store.gaps(info.session)
    return Record(
        room=info.room,
        session=info.session,
        started_at=info.started_at,
        ended_at=info.ended_at,
        last_seq=info.last_seq,
        state=info.state,
        segments=tuple(pair for pair in segments if pair[0] <= info.last_seq),
        gaps=tuple(pair for pair in gaps if after < pair[0] <= info.last_seq),
        accounting=info.accounting,
    )
