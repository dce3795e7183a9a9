"""Room names in paths: any Unicode, slashes among it.

`/rooms/a/b/transcript` and `/rooms/a%2Fb/transcript` are both the transcript of room `a/b`. A bare last
part that is a call (`transcript`, `windows`, … : `CALLS`) is the call; written with `%2F` before it,
it is part of the name: `/rooms/x%2Ftranscript/transcript` is the transcript of room `x/transcript`.
The decoded path has lost that difference, so this reads the raw one, and gives routes the whole name as
one part, percent-encoded; the convertor `room` in a route's path decodes it.
"""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote, unquote, unquote_to_bytes

from fastapi import Path
from pydantic import AfterValidator
from starlette.convertors import Convertor, register_url_convertor
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from agent.http.names import MAX_BYTES, check_name, check_room

CALLS = ("analytics", "participants", "status", "stream", "transcript", "windows")
"""What may follow a room's name."""

HEAD = "head"
"""Key of a scope: true when the caller asked for the headers alone, for answers that never end."""

_ROOMS = b"/rooms/"


class RoomConvertor(Convertor[str]):
    """`{name:room}` in a route: one part of the path, decoded."""

    regex = "[^/]+"

    def convert(self, value: str) -> str:
        """The name."""
        return unquote(value)

    def to_string(self, value: str) -> str:
        """The name as one part of a path."""
        return quote(value, safe="")


register_url_convertor("room", RoomConvertor())

NamedRoom = Annotated[
    str,
    AfterValidator(check_name),
    AfterValidator(check_room),
    Path(
        min_length=1,
        max_length=MAX_BYTES,
        description="Name of the room, percent-encoded.",
        examples=["interview-20261125-100000"],
    ),
]
"""The parameter of a route with `{name:room}`."""


class RoomPaths:
    """ASGI middleware that makes a room's name one part of the path, and answers HEAD like GET."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the call on with another path, or refuse it."""
        if scope["type"] == "http":
            # the server still knows that it was HEAD, and leaves the body out
            method = "GET" if scope["method"] == "HEAD" else scope["method"]
            raw = scope.get("raw_path") or quote(scope["path"]).encode()
            try:
                path = room_path(raw) if raw.startswith(_ROOMS) else scope["path"]
            except UnicodeDecodeError:
                refusal = JSONResponse({"detail": "The path must be UTF-8, percent-encoded."}, 400)
                await refusal(scope, receive, send)
                return
            scope = {**scope, "path": path, "method": method, HEAD: scope["method"] == "HEAD"}
        await self._app(scope, receive, send)


def room_path(raw: bytes) -> str:
    """The path with the room's name as one part: /rooms/a/b/windows -> /rooms/a%2Fb/windows.

    Raises:
        UnicodeDecodeError: the name is not UTF-8.
    """
    parts = raw.removeprefix(_ROOMS).split(b"/")
    call = parts.pop().decode() if len(parts) > 1 and parts[-1].decode("latin-1") in CALLS else ""
    name = unquote_to_bytes(b"/".join(parts)).decode()
    return f"/rooms/{quote(name, safe='')}" + (f"/{call}" if call else "")
