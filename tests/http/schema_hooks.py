"""Loaded by schemathesis (SCHEMATHESIS_HOOKS): plays the transcriber of every other room that it makes."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import schemathesis

from agent.store import open_store
from agent.store.protocol import Stored
from tests.contract.record import DEGRADED, LISTENING, STARTED, gap, segment, window

SAID = [Stored(seq, item) for seq, item in enumerate([segment(), gap(), window(), DEGRADED, LISTENING], 1)]

made: list[str] = []
"""Sessions of the rooms so far."""


@schemathesis.hook
def after_call(_: Any, case: schemathesis.Case, response: schemathesis.Response) -> None:
    """Writes into a new room's record, which calls that follow a link then read."""
    if case.operation.label == "POST /rooms/create" and response.status_code == 200:
        room = response.json()
        if room["sid"] in made:
            return
        made.append(room["sid"])
        if len(made) % 2:
            asyncio.run(write(room["name"], room["sid"]))


async def write(room: str, session: str) -> None:
    """What is said in a room."""
    store = open_store(os.environ["DATABASE_URL"])
    await store.open_session(room, session, STARTED)
    await store.write(session, 1, SAID)
    await store.aclose()
