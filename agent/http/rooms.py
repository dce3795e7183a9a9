"""Rooms: make one with its tokens, list them, see who is in, close one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Depends
from livekit import api
from pydantic import BaseModel, ConfigDict, Field

from agent.http.answers import LIVEKIT_FAILS, Problem
from agent.http.auth import REFUSALS, KeyFirst, key_holder
from agent.http.client_url import client_url
from agent.http.grants import Role, mint, new_identity
from agent.http.links import links_of_room
from agent.http.names import RoomName
from agent.http.paths import NamedRoom
from agent.http.service import CurrentService

router = APIRouter(
    tags=["rooms"],
    dependencies=[Depends(key_holder)],
    responses={**REFUSALS, **LIVEKIT_FAILS},
    route_class=KeyFirst,
)

MAX_PARTICIPANTS = 10_000

NO_ROOM: dict[int | str, dict[str, Any]] = {404: {"model": Problem, "description": "No such room."}}


class RoomRequest(BaseModel):
    """What room to make."""

    model_config = ConfigDict(extra="forbid")

    room_name: RoomName | None = Field(
        default=None,
        description="`interview-YYYYmmdd-HHMMSS` (UTC, made unique) when none is given. "
        "A room of this name that lives already is used as it is.",
        examples=["Interview with Anna"],
    )
    max_participants: int = Field(
        default=10,
        ge=1,
        le=MAX_PARTICIPANTS,
        strict=True,
        description="People at once; transcribers are not counted.",
    )


class CreatedRoom(BaseModel):
    """The room and a token for each part in an interview, valid for two hours."""

    sid: str = Field(description="Of this life of the room: the session.", examples=["RM_jWckC8KTYYyd"])
    name: str = Field(examples=["interview-20261125-100000"])
    max_participants: int = Field(examples=[10])
    creation_time: int = Field(description="Seconds since 1970.", examples=[1795600800])
    interviewer_token: str
    candidate_token: str
    agent_token: str = Field(
        description="For a transcriber of your own (`AudioPipeline`): hears, sends data."
    )
    url: str = Field(
        description="Address of the LiveKit server for clients.", examples=["wss://livekit.example.com"]
    )


class ListedRoom(BaseModel):
    """A room that lives."""

    sid: str = Field(examples=["RM_jWckC8KTYYyd"])
    name: str = Field(examples=["interview-20261125-100000"])
    num_participants: int = Field(description="People; transcribers are not counted.", examples=[2])
    creation_time: int = Field(description="Seconds since 1970.", examples=[1795600800])


class ListedParticipant(BaseModel):
    """Somebody in a room, transcribers among them."""

    sid: str = Field(examples=["PA_9vXzKm3cQ2aB"])
    identity: str = Field(examples=["candidate-1f0c9a3e"])
    name: str = Field(examples=["Candidate"])
    state: Literal["JOINING", "JOINED", "ACTIVE", "DISCONNECTED"] = Field(examples=["ACTIVE"])


class DeletedRoom(BaseModel):
    """The room is closed."""

    status: Literal["success"] = "success"
    message: str = Field(examples=["Room 'interview-20261125-100000' is deleted."])


@router.post(
    "/rooms/create",
    summary="Make a room and its tokens",
    responses={200: {"links": links_of_room("$response.body#/name")}},
)
async def create_room(
    service: CurrentService, wanted: Annotated[RoomRequest | None, Body()] = None
) -> CreatedRoom:
    """The transcriber joins by itself. A room that nobody joins is closed after ten minutes."""
    wanted = wanted or RoomRequest()
    name = wanted.room_name or await _unused_name(service)
    room = await service.livekit.create_room(name, wanted.max_participants)

    def token(role: Role, shown: str) -> str:
        return mint(service.settings, room=room.name, identity=new_identity(role), name=shown, role=role)

    return CreatedRoom(
        sid=room.sid,
        name=room.name,
        max_participants=room.max_participants,
        creation_time=room.creation_time,
        interviewer_token=token(Role.INTERVIEWER, "Interviewer"),
        candidate_token=token(Role.CANDIDATE, "Candidate"),
        agent_token=token(Role.AGENT, "Transcriber"),
        url=client_url(service.settings),
    )


@router.get("/rooms", summary="List the rooms that live")
async def list_rooms(service: CurrentService) -> list[ListedRoom]:
    """In the order of LiveKit."""
    return [
        ListedRoom(
            sid=room.sid,
            name=room.name,
            num_participants=room.num_participants,
            creation_time=room.creation_time,
        )
        for room in await service.livekit.rooms()
    ]


@router.get("/rooms/{name:room}/participants", summary="List who is in a room", responses=NO_ROOM)
async def list_participants(name: NamedRoom, service: CurrentService) -> list[ListedParticipant]:
    """Empty when nobody is in it."""
    return [
        ListedParticipant.model_validate(
            {
                "sid": one.sid,
                "identity": one.identity,
                "name": one.name,
                "state": api.ParticipantInfo.State.Name(one.state),
            }
        )
        for one in await service.livekit.participants(name)
    ]


@router.delete("/rooms/{name:room}", summary="Close a room", responses=NO_ROOM)
async def delete_room(name: NamedRoom, service: CurrentService) -> DeletedRoom:
    """Everyone in it is disconnected; its record stays."""
    await service.livekit.delete_room(name)
    return DeletedRoom(message=f"Room {name!r} is deleted.")


async def _unused_name(service: CurrentService) -> str:
    """A name that no living room has."""
    while True:
        name = service.new_names.next(datetime.now(UTC))
        if not await service.livekit.rooms(name):
            return name
