"""The documentation page of the calls, at `/docs`: Swagger UI from a package, so that it needs no other host.

FastAPI's own page loads its script from a CDN, runs a script inside the page, and asks for `/openapi.json` at
the root of the host. This one works offline, under its own Content Security Policy, and behind any path
prefix that a proxy strips: all its addresses are relative.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Path
from starlette.responses import Response

from agent.http.auth import anyone

router = APIRouter(include_in_schema=False, dependencies=[Depends(anyone)])

SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Swagger UI sets styles in its elements; scripts come from here only, and calls go here only."""

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Interview transcription: API</title>
<link rel="icon" href="docs/favicon.png">
<link rel="stylesheet" href="docs/swagger-ui.css">
<div id="page"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</html>
"""
_START = """SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#page",
  deepLinking: true,
  layout: "BaseLayout",
  presets: [SwaggerUIBundle.presets.apis],
});
"""
_PACKAGED = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "favicon.png": "image/png",
}
_KEPT = {"Cache-Control": "public, max-age=86400"}


@router.get("/docs")
async def page() -> Response:
    """The page."""
    return Response(_PAGE, media_type="text/html", headers={"Content-Security-Policy": SECURITY_POLICY})


@router.get("/docs/{name}")
def file(name: Annotated[str, Path()]) -> Response:
    """A script, style or picture of the page."""
    if name == "start.js":
        return Response(_START, media_type="text/javascript")
    kind = _PACKAGED.get(name)
    if kind is None:
        raise HTTPException(404, "The documentation page has no such file.")
    content = files("fastapi_offline").joinpath("static", name).read_bytes()
    return Response(content, media_type=kind, headers=_KEPT)
