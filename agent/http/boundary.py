"""The HTTP boundary: one log line a call, and an answer whatever goes wrong behind it."""

from __future__ import annotations

import logging
import time

from starlette.datastructures import MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent.http.measures import Measures

log = logging.getLogger(__name__)

_PROBES = ("/", "/health", "/metrics")
"""Asked every few seconds by whatever watches the service: logged only for debugging."""

HEADERS = {
    "Cache-Control": "no-store",  # what people said is in no cache, and an erased record in none either
    "X-Content-Type-Options": "nosniff",  # nobody's words are run as a page
}
"""Of every answer that does not say otherwise."""
_METHODS = ("GET", "POST", "DELETE", "OPTIONS", "PUT", "PATCH")


class Withheld(Exception):
    """A fault of ours without its message, which may quote what was said: pydantic's do, and a KeyError's."""


def withheld(error: BaseException) -> Withheld:
    """Where an error came from, and what kind it was, with its causes."""
    kind = type(error)
    copy = Withheld(f"{kind.__module__}.{kind.__qualname__}, whose message is not shown")
    copy.__traceback__ = error.__traceback__
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None:
        copy.__cause__ = withheld(cause)
    return copy


class Boundary:
    """ASGI middleware around all routes.

    The line says which route was called, not which room: paths are names, and tokens may be in queries. It
    names the key that was shown, and says of a participant only that it was one.
    """

    def __init__(self, app: ASGIApp, measures: Measures) -> None:
        self._app = app
        self._measures = measures

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the call pass; answer 500 in place of a traceback."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.monotonic()
        status = 0

        async def sent(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self._app(scope, receive, sent)
        except Exception as error:
            fault = withheld(error)
            log.error("call failed", exc_info=fault, extra={"action": "call_failed", **_fields(scope)})
            if status:
                # half of an answer is out: the connection must break, or the rest would be missed
                raise fault from fault.__cause__
            refusal = JSONResponse({"detail": "Internal error; it is logged."}, 500)
            await refusal(scope, receive, sent)
        seconds = time.monotonic() - began
        route = getattr(scope.get("route"), "path", None)
        self._measures.answered(_method(scope), route, status or 500, seconds)
        probe = scope["path"] in _PROBES and status < 400
        log.log(
            logging.DEBUG if probe else logging.INFO,
            "call answered",
            extra={
                "action": "call_answered",
                **_fields(scope),
                "caller": scope.get("state", {}).get("caller", "none"),
                "status": status,
                "milliseconds": round(seconds * 1000),
            },
        )


def _method(scope: Scope) -> str:
    """A caller may send any word as method, and a new one each time."""
    method: str = scope["method"]
    return method if method in _METHODS else "other"


def _fields(scope: Scope) -> dict[str, str]:
    route = scope.get("route")
    return {"method": _method(scope), "route": getattr(route, "path", "none")}
