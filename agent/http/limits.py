"""A bound on what a caller may send."""

from __future__ import annotations

from fastapi import HTTPException
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY_BYTES = 64 * 1024
"""The largest body any call needs is about a kilobyte."""

_DETAIL = f"The body must be at most {MAX_BODY_BYTES} bytes long."


class BodyLimit:
    """ASGI middleware that answers 413 to a body that is too long, told so or not."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count the bytes as they come."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        told = Headers(scope=scope).get("content-length", "0")
        if told.isdecimal() and int(told) > MAX_BODY_BYTES:
            await JSONResponse({"detail": _DETAIL}, 413)(scope, receive, send)
            return
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > MAX_BODY_BYTES:
                raise HTTPException(413, _DETAIL)
            return message

        await self._app(scope, counted, send)
