"""Erases what was said in a session, also while it runs (docs/privacy.md)."""

from __future__ import annotations

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from agent.http.answers import STORE_FAILS, Problem
from agent.http.auth import REFUSALS, key_holder
from agent.http.paths import NamedRoom
from agent.http.service import CurrentService
from agent.http.sessions import NamedSession, no_transcript
from agent.store.retention import erase

router = APIRouter(tags=["transcripts"], dependencies=[Depends(key_holder)])


class TombstoneShape(BaseModel):
    """What is left of an erased session."""

    room: str = Field(examples=["interview-20261125-100000"])
    session: str = Field(description="The room's sid.", examples=["RM_jWckC8KTYYyd"])
    started_at: str = Field(description="ISO 8601, UTC.", examples=["2026-11-25T10:00:00.000Z"])
    ended_at: str = Field(
        description="ISO 8601, UTC; that of the erasure when the session still ran.",
        examples=["2026-11-25T10:31:07.250Z"],
    )
    erased_at: str = Field(
        description="ISO 8601, UTC: when it was erased first.", examples=["2026-11-26T09:00:00.000Z"]
    )


@router.delete(
    "/rooms/{name:room}/transcript",
    summary="Erase what was said",
    responses={
        **REFUSALS,
        **STORE_FAILS,
        404: {"model": Problem, "description": "Nothing is stored of this room, or no such session."},
        503: {"model": Problem, "description": "The database did not answer; ask again, that is harmless."},
    },
)
async def erase_transcript(
    name: NamedRoom, service: CurrentService, session: NamedSession = None
) -> TombstoneShape:
    """Text, words, windows, gaps, names: all that is kept, for good. A session that runs is over by it:
    its transcriber tells the room and leaves, and what is said afterwards is not written down. Erasing again
    is harmless.
    """
    tombstone = await erase(service.store, service.settings, name, session)
    if tombstone is None:
        raise no_transcript()
    return TombstoneShape(
        room=tombstone.room,
        session=tombstone.session,
        started_at=tombstone.started_at,
        ended_at=tombstone.ended_at,
        erased_at=tombstone.erased_at,
    )
