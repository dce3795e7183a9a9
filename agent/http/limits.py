"""Bounds on what a caller may send, and on how long a call may take."""

from __future__ import annotations

import asyncio

from fastapi import HTTPException
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY_BYTES = 64 * 1024
"""The largest body any call needs is about a kilobyte."""
MAX_EVENT_BYTES = 4 * 1024 * 1024
"""Of LiveKit's events, which hold the metadata of a room and of a participant: LiveKit allows 512 KiB for
each, and JSON makes two bytes of a quotation mark. They are read only when LiveKit has signed them."""
EVENTS_PATH = "/webhook"
MAX_HEAD_BYTES = 16 * 1024
"""Path, query and headers; uvicorn itself refuses more only when it comes in pieces."""
BODY_SECONDS = 10.0
"""From the first byte of a body that is asked for to the last."""
BEGIN_SECONDS = 30.0
"""From the call to the beginning of its answer; LiveKit and the database have tighter bounds."""

_LONG_BODY = "The body must be at most {} bytes long."
_LONG_HEAD = f"Path and headers must be at most {MAX_HEAD_BYTES} bytes long."
_SLOW_BODY = f"The body must come within {BODY_SECONDS:g} s."
_SLOW_ANSWER = "This takes too long at the moment; try again."


def max_body_bytes(path: str) -> int:
    """The longest body that a call may have."""
    return MAX_EVENT_BYTES if path == EVENTS_PATH else MAX_BODY_BYTES


class Limits:
    """ASGI middleware that refuses what is too long, told so in advance or not, and what takes too long."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count the bytes, and the time, as they go."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if refusal := _refusal(scope):
            await refusal(scope, receive, send)
            return
        try:
            async with asyncio.timeout(BEGIN_SECONDS) as limit:
                call = _Call(receive, send, limit, max_body_bytes(scope["path"]))
                await self._app(scope, call.receive, call.send)
        except TimeoutError:
            if call.began or not limit.expired():
                raise
            await JSONResponse({"detail": _SLOW_ANSWER}, 503)(scope, receive, send)


class _Call:
    """One call: what has come, and whether its answer has begun."""

    def __init__(self, receive: Receive, send: Send, limit: asyncio.Timeout, max_bytes: int) -> None:
        self.began = False
        self._receive = receive
        self._send = send
        self._limit = limit
        self._max_bytes = max_bytes
        self._bytes = 0
        self._until: float | None = asyncio.get_running_loop().time() + BODY_SECONDS
        """When the body must be here; None when it is."""

    async def send(self, message: Message) -> None:
        """From the first message on the answer may take its time: a stream goes on for hours."""
        if not self.began:
            self.began = True
            self._limit.reschedule(None)
        await self._send(message)

    async def receive(self) -> Message:
        """The next part of the body.

        Raises:
            HTTPException: 413 after too many bytes, 408 after too long a time.
        """
        try:
            async with asyncio.timeout_at(self._until) as limit:
                message = await self._receive()
        except TimeoutError as error:
            if not limit.expired():
                raise
            if self.began:
                return {"type": "http.disconnect"}  # nobody reads the body; too late for another answer
            raise HTTPException(408, _SLOW_BODY) from error
        self._bytes += len(message.get("body", b""))
        if self._bytes > self._max_bytes and not self.began:
            raise HTTPException(413, _LONG_BODY.format(self._max_bytes))
        if not message.get("more_body", False):
            self._until = None  # what is waited for from here on is that the caller goes
        return message


def _refusal(scope: Scope) -> JSONResponse | None:
    head = len(scope.get("raw_path") or b"") + len(scope["query_string"])
    if head + sum(len(name) + len(value) + 4 for name, value in scope["headers"]) > MAX_HEAD_BYTES:
        return JSONResponse({"detail": _LONG_HEAD}, 431)
    told = Headers(scope=scope).get("content-length", "0")
    max_bytes = max_body_bytes(scope["path"])
    if told.isdecimal() and int(told[:20]) > max_bytes:
        return JSONResponse({"detail": _LONG_BODY.format(max_bytes)}, 413)
    return None
