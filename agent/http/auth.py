"""Who may call what. Every route depends on exactly one of `RULES`; a test walks all routes.

A key, sent as a bearer token, may do everything. A participant's LiveKit token may read the record of its own
room while it is valid. LiveKit itself may tell of events. Nobody else may do anything, unless the service
listens on this machine alone and has no key: then this machine may do everything. A refusal never tells
whether a room exists. docs/security.md has the whole table.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Coroutine
from hashlib import sha256
from hmac import compare_digest
from typing import Annotated, Any

from fastapi import HTTPException, Query, Request, Response
from fastapi.routing import APIRoute

from agent.http.answers import Problem
from agent.http.callers import (
    Credential,
    Participant,
    claims_of,
    credential_of,
    is_here,
    is_open,
    name_of_key,
    participant_of,
)
from agent.http.service import CurrentService, current_service
from agent.settings import Settings

QueryToken = Annotated[
    str | None,
    Query(
        description="A participant's LiveKit token, for a browser's `EventSource`, which can send no header. "
        "Never the `API_KEY`: addresses are written into logs and histories.",
    ),
]


async def anyone() -> None:
    """Calls that tell nothing of any room."""


async def key_holder(request: Request, service: CurrentService, credential: Credential) -> None:
    """A key, or this machine when no key is needed.

    Raises:
        HTTPException: 401 without a valid credential, 403 with one that is not enough.
    """
    if _may_all(request, service.settings, credential):
        return
    participant_of(service.settings, credential)
    _note(request, "participant")
    raise HTTPException(403, "A participant's token may only read the record of its own room.")


class KeyFirst(APIRoute):
    """A route of `key_holder` with a body, of which nothing is read before it is known who calls.

    FastAPI reads and parses a body before it asks a route's dependencies: strangers would be told what is
    wrong with theirs, and waited for. The rule stays among the dependencies, for the documentation.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's own, behind the rule."""
        handle = super().get_route_handler()

        async def handle_caller(request: Request) -> Response:
            await key_holder(request, await current_service(request), await credential_of(request))
            return await handle(request)

        return handle_caller


async def reader_of_room(request: Request, service: CurrentService, credential: Credential) -> None:
    """A key, or a participant of the room in the path.

    Raises:
        HTTPException: 401 without a valid credential, 403 with one of another room, be this one there or not.
    """
    if not _may_all(request, service.settings, credential):
        _in_room(request, participant_of(service.settings, credential))


async def livekit_itself(request: Request, service: CurrentService) -> None:
    """The LiveKit server: a token of our key that holds the hash of the body, byte for byte.

    Raises:
        HTTPException: 401 for anybody else, and for a body that is not the one that was signed.
    """
    given = request.headers.getlist("Authorization")
    claims = claims_of(service.settings, given[0]) if len(given) == 1 else None
    signed = claims.get("sha256") if claims is not None else None
    # a body without a valid signature is not even read
    if not isinstance(signed, str) or not compare_digest(signed.encode(), await _hash_of_body(request)):
        raise HTTPException(401, "Only LiveKit may call this, signed with the service's key.")
    _note(request, "livekit")


async def _hash_of_body(request: Request) -> bytes:
    return b64encode(sha256(await request.body()).digest())


async def listener_of_room(
    request: Request, service: CurrentService, credential: Credential, access_token: QueryToken = None
) -> Participant | None:
    """As `reader_of_room`; a participant may also put its token into the address. None may read all.

    Raises:
        HTTPException: 401 without a valid credential, 403 with one of another room, be this one there or not.
    """
    if credential is None and access_token and not is_open(service.settings):
        return _in_room(request, participant_of(service.settings, access_token))
    if _may_all(request, service.settings, credential):
        return None
    return _in_room(request, participant_of(service.settings, credential))


RULES = (anyone, key_holder, reader_of_room, listener_of_room, livekit_itself)

REFUSALS: dict[int | str, dict[str, Any]] = {
    401: {"model": Problem, "description": "No credential, or one that is not valid."},
    403: {"model": Problem, "description": "The credential is not enough for this call."},
}
"""For the documentation of every route whose rule is not `anyone`."""


def _may_all(request: Request, settings: Settings, credential: str | None) -> bool:
    if is_open(settings):
        if not is_here(request, settings):
            raise HTTPException(403, "Without an API_KEY this service answers only to localhost.")
        _note(request, "local")
        return True
    name = name_of_key(settings, credential) if credential else None
    if name is not None:
        _note(request, f"key:{name}")
    return name is not None


def _in_room(request: Request, participant: Participant) -> Participant:
    _note(request, "participant")
    if participant.room != request.path_params["name"]:
        raise HTTPException(403, "A participant's token may only read the record of its own room.")
    return participant


def _note(request: Request, caller: str) -> None:
    """Who it is, for the log: the name of a key, and never who of the participants."""
    request.state.caller = caller
