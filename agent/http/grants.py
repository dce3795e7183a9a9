"""Tokens for rooms: what each role may do. Least rights, and nobody can change its own role."""

from __future__ import annotations

import json
from datetime import timedelta
from enum import StrEnum
from secrets import token_hex

from livekit import api

from agent.core.consent import ATTRIBUTE
from agent.core.speakers import TRANSCRIBER
from agent.errors import LiveKitError
from agent.http.livekit import NOT_CONFIGURED, is_configured
from agent.settings import Settings

TOKEN_HOURS = 2


class Role(StrEnum):
    """Who somebody is in an interview; the transcript's labels are made from it."""

    PARTICIPANT = "participant"
    INTERVIEWER = "interviewer"
    CANDIDATE = "candidate"
    AGENT = "agent"


def mint(
    settings: Settings, *, room: str, identity: str, name: str, role: Role, transcribe: bool = True
) -> str:
    """A token for one participant of one room, valid for `TOKEN_HOURS`; `transcribe`: False opts out.

    People may publish, hear and send data. An agent listens and sends data: what a transcriber does. Its kind
    keeps it from holding an empty room open. Nobody may change its metadata, which says its role.

    Raises:
        LiveKitError: no key to sign with.
    """
    if not is_configured(settings):
        raise LiveKitError(NOT_CONFIGURED, status=503)
    agent = role is Role.AGENT
    token = (
        api.AccessToken(settings.livekit_api_key, settings.livekit_api_secret)
        .with_identity(identity)
        .with_name(name)
        .with_kind("agent" if agent else "standard")
        .with_metadata(json.dumps({"role": role.value}))
        .with_attributes({"role": role.value} | ({} if transcribe else {ATTRIBUTE: "false"}))
        .with_ttl(timedelta(hours=TOKEN_HOURS))
        .with_grants(
            api.VideoGrants(
                room_join=True,
                room=room,
                can_publish=not agent,
                can_subscribe=True,
                can_publish_data=True,
                can_update_own_metadata=False,
                hidden=False,
            )
        )
    )
    if settings.agent_name:
        # the room may begin with this participant: it asks for the transcriber that waits to be asked
        dispatch = api.RoomAgentDispatch(agent_name=settings.agent_name)
        token = token.with_room_config(api.RoomConfiguration(agents=[dispatch]))
    return token.to_jwt()


def new_identity(role: Role) -> str:
    """An identity that nobody else has, and that says what it is."""
    begin = TRANSCRIBER if role is Role.AGENT else f"{role.value}-"
    return begin + token_hex(4)
