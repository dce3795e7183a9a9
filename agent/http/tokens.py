"""Tokens with which participants join a room."""

from __future__ import annotations

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field, field_validator

from agent.core.speakers import TRANSCRIBER
from agent.http.answers import LIVEKIT_FAILS
from agent.http.auth import REFUSALS, KeyFirst, key_holder
from agent.http.client_url import client_url
from agent.http.grants import Role, mint
from agent.http.names import Name, RoomName
from agent.http.service import CurrentService

router = APIRouter(
    tags=["tokens"], dependencies=[Depends(key_holder)], responses=REFUSALS, route_class=KeyFirst
)


class TokenRequest(BaseModel):
    """For whom, and for which room."""

    model_config = ConfigDict(extra="forbid")

    room_name: RoomName = Field(examples=["interview-20261125-100000"])
    participant_identity: Name = Field(
        description="Unique in the room: who joins with one that is there takes its place. May not begin "
        "with `agent-transcriber-`: so do those of transcribers.",
        examples=["anna-7f3c"],
    )
    participant_name: Name | None = Field(
        default=None, description="Shown name; the identity when none is given.", examples=["Anna Smith"]
    )
    role: Role = Field(
        default=Role.PARTICIPANT,
        description="Labels in the transcript are made from it. An `agent` may listen and send data, "
        "but not publish: an AI interviewer that speaks is an `interviewer`.",
    )
    transcribe: bool = Field(
        default=True,
        strict=True,
        description="False when this participant does not want to be transcribed: nothing it says is sent to "
        "the recognizer or kept. Sets the attribute `transcribe`, which your server may change later.",
    )

    @field_validator("participant_identity")
    @classmethod
    def _is_no_transcribers(cls, identity: str) -> str:
        """Transcribers leave a room to each other: nobody else is to be taken for one."""
        if identity.startswith(TRANSCRIBER):
            raise ValueError(f"only a transcriber's identity begins with {TRANSCRIBER}")
        return identity


class TokenAnswer(BaseModel):
    """A token and where to go with it."""

    token: str = Field(description='A JWT, valid for two hours; metadata `{"role": …}`.')
    room_name: str
    participant_identity: str
    url: str = Field(
        description="Address of the LiveKit server for clients.", examples=["wss://livekit.example.com"]
    )


@router.post(
    "/tokens/generate", summary="Make a token for a participant", responses={503: LIVEKIT_FAILS[503]}
)
async def generate_token(wanted: TokenRequest, service: CurrentService) -> TokenAnswer:
    """Signed here, without a call to LiveKit. The room need not exist: it begins when the first one joins."""
    token = mint(
        service.settings,
        room=wanted.room_name,
        identity=wanted.participant_identity,
        name=wanted.participant_name or wanted.participant_identity,
        role=wanted.role,
        transcribe=wanted.transcribe,
    )
    return TokenAnswer(
        token=token,
        room_name=wanted.room_name,
        participant_identity=wanted.participant_identity,
        url=client_url(service.settings),
    )
