"""Who may call what. Every route depends on exactly one of `RULES`; a test walks all routes.

`API_KEY`, sent as a bearer token, may do everything. A participant's LiveKit token may read the record of
its own room while it is valid. LiveKit itself may tell of events. Nobody else may do anything, unless the
service listens on this machine alone and has no key: then this machine may do everything. A refusal never
tells whether a room exists.
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest
from ipaddress import ip_address
from typing import Annotated, Any

import jwt
from fastapi import Depends, HTTPException, Query, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from agent.http.answers import Problem
from agent.http.service import CurrentService
from agent.settings import Settings

_bearer = HTTPBearer(
    auto_error=False,
    description="The service's `API_KEY`; to read a record, also a LiveKit token of its room.",
)
Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
QueryToken = Annotated[
    str | None,
    Query(
        description="A participant's LiveKit token, for a browser's `EventSource`, which can send no header. "
        "Never the `API_KEY`: addresses are written into logs and histories.",
    ),
]


@dataclass(frozen=True, slots=True)
class Participant:
    """Whom a valid LiveKit token speaks of."""

    room: str
    identity: str
    until_unix_seconds: float
    """When the token ceases to be valid."""


async def anyone() -> None:
    """Calls that tell nothing of any room."""


async def key_holder(request: Request, service: CurrentService, credentials: Credentials) -> None:
    """The API key, or this machine when no key is needed.

    Raises:
        HTTPException: 401 without a valid credential, 403 with one that is not enough.
    """
    if _may_all(request, service.settings, credentials):
        return
    _participant(service.settings, credentials)
    raise HTTPException(403, "A participant's token may only read the record of its own room.")


async def reader_of_room(request: Request, service: CurrentService, credentials: Credentials) -> None:
    """The API key, or a participant of the room in the path.

    Raises:
        HTTPException: 401 without a valid credential, 403 with one of another room, be this one there or not.
    """
    if _may_all(request, service.settings, credentials):
        return
    _in_room(request, _participant(service.settings, credentials))


async def livekit_itself(request: Request, service: CurrentService) -> None:
    """The LiveKit server: a token of our key that holds the hash of the body, byte for byte.

    Raises:
        HTTPException: 401 for anybody else, and for a body that is not the one that was signed.
    """
    claims = _claims(service.settings, request.headers.get("Authorization", ""))
    signed = claims.get("sha256") if claims is not None else None
    body = b64encode(sha256(await request.body()).digest())
    if not isinstance(signed, str) or not compare_digest(signed.encode(), body):
        raise HTTPException(401, "Only LiveKit may call this, signed with the service's key.")


async def listener_of_room(
    request: Request, service: CurrentService, credentials: Credentials, access_token: QueryToken = None
) -> Participant | None:
    """As `reader_of_room`; a participant may also put its token into the address. None may read all.

    Raises:
        HTTPException: 401 without a valid credential, 403 with one of another room, be this one there or not.
    """
    if credentials is None and access_token:
        credentials = HTTPAuthorizationCredentials(scheme="Bearer", credentials=access_token)
        if not is_open(service.settings):
            return _in_room(request, _participant(service.settings, credentials))
    if _may_all(request, service.settings, credentials):
        return None
    return _in_room(request, _participant(service.settings, credentials))


RULES = (anyone, key_holder, reader_of_room, listener_of_room, livekit_itself)

REFUSALS: dict[int | str, dict[str, Any]] = {
    401: {"model": Problem, "description": "No credential, or one that is not valid."},
    403: {"model": Problem, "description": "The credential is not enough for this call."},
}
"""For the documentation of every route whose rule is not `anyone`."""


def is_open(settings: Settings) -> bool:
    """True when this machine may do everything without a credential."""
    return not settings.api_key and settings.loopback_only


def _may_all(request: Request, settings: Settings, credentials: HTTPAuthorizationCredentials | None) -> bool:
    if is_open(settings):
        if not _is_loopback(request.url.hostname or ""):
            # a page of another site that has its own name resolved to this machine; or a proxy's public name
            raise HTTPException(403, "Without an API_KEY this service answers only to localhost.")
        return True
    key = settings.api_key.encode()
    return bool(key and credentials and compare_digest(credentials.credentials.encode(), key))


def _in_room(request: Request, participant: Participant) -> Participant:
    if participant.room != request.path_params["name"]:
        raise HTTPException(403, "A participant's token may only read the record of its own room.")
    return participant


def _participant(settings: Settings, credentials: HTTPAuthorizationCredentials | None) -> Participant:
    """Who holds a valid token, and the room that it lets them join."""
    refused = HTTPException(
        401, "A valid bearer token is needed: the API key.", {"WWW-Authenticate": "Bearer"}
    )
    claims = _claims(settings, credentials.credentials) if credentials is not None else None
    if claims is None:
        raise refused
    video = claims.get("video")
    if not isinstance(video, dict) or video.get("roomJoin") is not True or not video.get("room"):
        raise refused
    return Participant(str(video["room"]), str(claims.get("sub", "")), float(claims["exp"]))


def _claims(settings: Settings, token: str) -> dict[str, Any] | None:
    """What a token of our LiveKit key says; None when it is no such token, or no longer valid."""
    if not settings.livekit_api_secret:
        return None
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            settings.livekit_api_secret,
            algorithms=["HS256"],
            issuer=settings.livekit_api_key,
            options={"require": ["exp", "iss"]},
        )
    except jwt.PyJWTError:
        return None
    return claims


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
