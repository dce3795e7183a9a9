"""Who calls: a holder of a key, a participant with a LiveKit token, or whoever is on this machine."""

from __future__ import annotations

import time
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest
from ipaddress import ip_address
from typing import Annotated, Any

import jwt
from fastapi import Depends, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from agent.errors import SettingsError
from agent.settings import Settings

ONLY_KEY = "default"
"""Name of the key that is set as `API_KEY`."""
MIN_KEY_CHARACTERS = 16
"""Of a key that a network can be tried against."""
CLOCK_AHEAD_SECONDS = 60
"""How far the clock of a host that signs tokens and webhooks may be ahead of ours; LiveKit allows as much."""
_PROXY = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP")
"""What a proxy adds for somebody who is not on this machine."""

_bearer = HTTPBearer(
    auto_error=False,
    description="A key of the service (`API_KEY`, `API_KEYS`); to read a record, also a LiveKit token of its "
    "room.",
)


@dataclass(frozen=True, slots=True)
class Participant:
    """Whom a valid LiveKit token speaks of."""

    room: str
    identity: str
    until_unix_seconds: float
    """When the token ceases to be valid."""


def refused() -> HTTPException:
    """The answer to whoever shows nothing valid."""
    return HTTPException(401, "A valid bearer token is needed: the API key.", {"WWW-Authenticate": "Bearer"})


async def one_credential(
    request: Request, found: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> str | None:
    """The bearer token, if any.

    Raises:
        HTTPException: 401 for several, of which a proxy may have checked another one than we would.
    """
    if len(request.headers.getlist("Authorization")) > 1:
        raise refused()
    return found.credentials if found is not None else None


Credential = Annotated[str | None, Depends(one_credential)]


async def credential_of(request: Request) -> str | None:
    """As `Credential`, for what runs before a route's parameters are looked at.

    Raises:
        HTTPException: 401 for several.
    """
    return await one_credential(request, await _bearer(request))


def keys_of(settings: Settings) -> dict[str, str]:
    """Name -> key, of all keys."""
    only = {ONLY_KEY: settings.api_key} if settings.api_key else {}
    return only | {name: key for name, _, key in (pair.partition(":") for pair in settings.api_keys)}


def check_guarded(settings: Settings) -> None:
    """Check that a service that a network can reach is not open, nor easily opened.

    Raises:
        SettingsError: there is no key, or one that could be guessed.
    """
    if settings.loopback_only:
        return
    keys = keys_of(settings)
    if not keys:
        raise SettingsError(
            f"HOST={settings.host} can be reached from a network and API_KEY is not set; "
            "set API_KEY (openssl rand -hex 32 makes one), or HOST=127.0.0.1"
        )
    short = [name for name, key in keys.items() if len(key) < MIN_KEY_CHARACTERS]
    if short:
        raise SettingsError(
            f"HOST={settings.host} can be reached from a network and the key {short[0]} has fewer than "
            f"{MIN_KEY_CHARACTERS} characters; openssl rand -hex 32 makes a good one"
        )


def is_open(settings: Settings) -> bool:
    """True when this machine may do everything without a credential."""
    return not keys_of(settings) and settings.loopback_only


def is_here(request: Request, settings: Settings) -> bool:
    """True when a call comes from this machine, and not on behalf of a page or a network elsewhere.

    Other sites' pages reach loopback: by a name of theirs that leads here, or by a plain form. A proxy on
    this machine brings everybody.
    """
    if not _is_loopback(request.url.hostname or "") or any(name in request.headers for name in _PROXY):
        return False
    origin = request.headers.get("Origin")
    ours = f"{request.url.scheme}://{request.url.netloc}"
    return origin is None or origin == ours or origin in settings.cors_origins


def name_of_key(settings: Settings, credential: str) -> str | None:
    """Whose key it is; takes as long for each key, whatever is right about it."""
    given = sha256(credential.encode()).digest()
    found = None
    for name, key in keys_of(settings).items():
        if compare_digest(sha256(key.encode()).digest(), given):
            found = name
    return found


def participant_of(settings: Settings, credential: str | None) -> Participant:
    """Who holds a valid token, and the room that it lets them join.

    Raises:
        HTTPException: 401, it is none.
    """
    claims = claims_of(settings, credential) if credential else None
    video = claims.get("video") if claims is not None else None
    if claims is None or not isinstance(video, dict) or video.get("roomJoin") is not True:
        raise refused()
    room = video.get("room")
    if not isinstance(room, str) or not room:
        raise refused()
    return Participant(room, str(claims.get("sub", "")), float(claims["exp"]))


def claims_of(settings: Settings, token: str) -> dict[str, Any] | None:
    """What a token of our LiveKit key says; None when it is not such a token, or not valid now.

    A token may be from a host whose clock is ahead by `CLOCK_AHEAD_SECONDS`. It ends on time: nobody reads
    a record for longer than the token says.
    """
    if not settings.livekit_api_secret:
        return None
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            settings.livekit_api_secret,
            algorithms=["HS256"],
            issuer=settings.livekit_api_key,
            options={"require": ["exp", "iss"]},
            leeway=CLOCK_AHEAD_SECONDS,
        )
        ended = float(claims["exp"]) <= time.time()  # the leeway is for the beginning alone
    except (jwt.PyJWTError, TypeError, ValueError, OverflowError):  # signed, but a time in it is not one
        return None
    return None if ended else claims


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
