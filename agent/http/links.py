"""Where an answer leads: OpenAPI links from a room's name to the calls that take it."""

from __future__ import annotations

from typing import Any

from fastapi.routing import APIRoute

BY_NAME = (
    "list_participants",
    "delete_room",
    "read_transcript",
    "erase_transcript",
    "read_windows",
    "follow_room",
    "read_status",
    "read_analytics",
)
"""Calls with a room's name in their path."""


def operation_id(route: APIRoute) -> str:
    """What links and generated clients call a route: its function's name, `read_transcript`."""
    return route.name


def links_of_room(name: str) -> dict[str, Any]:
    """The links of an answer that has a room's name at `name` (`$response.body#/name`)."""
    by_name = {call: {"operationId": call, "parameters": {"name": name}} for call in BY_NAME}
    token = {"operationId": "generate_token", "requestBody": {"room_name": name}}
    return {**by_name, "generate_token": token}
