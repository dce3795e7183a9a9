"""Answers that every route may give: errors as `{"detail": …}`, never a traceback, never a secret."""

from __future__ import annotations

import logging
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from agent.errors import LiveKitError, StoreError

log = logging.getLogger(__name__)


class Problem(BaseModel):
    """What went wrong, in a sentence for a person."""

    detail: str = Field(examples=["No such room."])


ANY_CALL: dict[int | str, dict[str, Any]] = {
    400: {"model": Problem, "description": "The path is no UTF-8, or the body no text."},
    408: {"model": Problem, "description": "The body did not come in time."},
    413: {"model": Problem, "description": "The body is too long."},
    431: {"model": Problem, "description": "Path and headers are too long."},
}
"""What every call may be answered."""
LIVEKIT_FAILS: dict[int | str, dict[str, Any]] = {
    502: {"model": Problem, "description": "LiveKit refused the call, or its answer makes no sense."},
    503: {"model": Problem, "description": "LiveKit is not configured, or did not answer."},
}
STORE_FAILS: dict[int | str, dict[str, Any]] = {
    503: {"model": Problem, "description": "The database did not answer."},
}


def add_error_answers(app: FastAPI) -> None:
    """Turn the project's errors, and bad requests, into answers."""

    @app.exception_handler(LiveKitError)
    async def livekit_failed(_: Request, error: LiveKitError) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, error.status)

    @app.exception_handler(StoreError)
    async def store_failed(_: Request, error: StoreError) -> JSONResponse:
        log.error("record cannot be read", extra={"action": "record_unreadable", "error": str(error)})
        return JSONResponse({"detail": "The record cannot be read at the moment; try again."}, 503)

    @app.exception_handler(RequestValidationError)
    async def bad_request(_: Request, error: RequestValidationError) -> JSONResponse:
        # without `input`: what was sent may be a secret, or hold what no JSON can
        detail = [{"type": one["type"], "loc": one["loc"], "msg": one["msg"]} for one in error.errors()]
        return JSONResponse({"detail": detail}, 422)

    @app.exception_handler(405)
    async def wrong_method(request: Request, _: HTTPException) -> JSONResponse:
        # Starlette names the methods of the first route of this path alone; the document has all
        path = getattr(request.scope.get("route"), "path_format", "")
        documented = app.openapi()["paths"].get(path)
        methods = [method.upper() for method in documented] if documented else ["GET"]
        return JSONResponse({"detail": "Method Not Allowed"}, 405, {"Allow": ", ".join(methods)})
