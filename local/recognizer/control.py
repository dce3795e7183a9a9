"""Faults and counters over HTTP, for tests in other processes. Answers to this machine only.

POST   /control/faults   {"drop_after_commit": true}    sets all faults anew; 400 names what is wrong
GET    /control/faults                                   what is left to go wrong
DELETE /control/faults                                   nothing goes wrong any more
GET    /control/stats                                    what the server has seen
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Awaitable, Callable
from typing import Protocol

from aiohttp import web

from agent.errors import MessageError
from local.recognizer.counters import Counters
from local.recognizer.faults import Faults, faults_as_json, parse_faults

_Handler = Callable[[web.Request], Awaitable[web.Response]]


class Controlled(Protocol):
    """What is controlled: the server."""

    counters: Counters

    @property
    def faults(self) -> Faults:
        """What is left to go wrong."""

    def set_faults(self, faults: Faults) -> None:
        """Replace all faults."""


def control_routes(server: Controlled) -> list[web.RouteDef]:
    """The routes under /control."""

    async def set_faults(request: web.Request) -> web.Response:
        try:
            values = json.loads(await request.text())
            if not isinstance(values, dict):
                raise MessageError("the body must be a JSON object of faults")
            server.set_faults(parse_faults(values))
        except (ValueError, MessageError) as error:
            return web.json_response({"detail": str(error)}, status=400)
        return web.json_response(faults_as_json(server.faults))

    async def get_faults(_: web.Request) -> web.Response:
        return web.json_response(faults_as_json(server.faults))

    async def reset_faults(_: web.Request) -> web.Response:
        server.set_faults(Faults())
        return web.json_response(faults_as_json(server.faults))

    async def stats(_: web.Request) -> web.Response:
        return web.json_response(server.counters.as_json())

    return [
        web.post("/control/faults", _for_this_machine(set_faults)),
        web.get("/control/faults", _for_this_machine(get_faults)),
        web.delete("/control/faults", _for_this_machine(reset_faults)),
        web.get("/control/stats", _for_this_machine(stats)),
    ]


def _for_this_machine(handler: _Handler) -> _Handler:
    async def guarded(request: web.Request) -> web.Response:
        if not is_loopback(request.remote):
            return web.json_response({"detail": "/control answers to this machine only"}, status=403)
        return await handler(request)

    return guarded


def is_loopback(address: str | None) -> bool:
    """True for an IP address of this machine's own interface; False for anything else."""
    try:
        return ipaddress.ip_address(address or "").is_loopback
    except ValueError:
        return False
