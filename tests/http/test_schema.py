"""The OpenAPI document is true: schemathesis calls all of it, and more, and every answer is one it names."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from livekit import api

from agent.http.links import BY_NAME
from agent.http.livekit import LiveKit as HttpLiveKit
from agent.store import open_store
from agent.store.memory import MemoryStore
from agent.store.protocol import Stored
from tests.conftest import ROOT, LiveKit
from tests.contract.record import DEGRADED, END, LISTENING, STARTED, gap, segment, window
from tests.http.service import KEY, LIVEKIT, settings
from tests.integration.running_service import RunningService, running_service
from token_service import create_app

EXAMPLES = 10
"""Made for each call, beside those of the coverage phase."""

STRICT = """
max-stream-events = 1

[checks]
positive_data_acceptance.expected-statuses = ["2xx", 401, 403, 404, 410, 422]
"""
"""A stream never ends; its first event comes at once. 422 is for names without anything to be seen, which no
JSON Schema can tell."""

AWAY = """
[[operations]]
include-tag = ["rooms", "health"]
checks.positive_data_acceptance.expected-statuses = ["2xx", 401, 422, 503]
checks.not_a_server_error.expected-statuses = ["2xx", "3xx", "4xx", 503]
"""
"""No 5xx, but where LiveKit, which is away here, would have to be asked."""

LINKED = """
[phases.stateful]
inference.algorithms = []
"""
"""Chains begin with a new room and go on as the document says, not as somebody might guess."""

WITH_KEY = ["--header", f"Authorization: Bearer {KEY}"]
EACH = ["--phases", "examples,coverage,fuzzing", "--max-examples", str(EXAMPLES)]
"""Each call by itself."""
CHAINED = ["--phases", "examples,coverage,fuzzing,stateful", "--max-examples", str(EXAMPLES)]
"""And calls that follow from answers."""
CHAINS = ["--phases", "stateful", "--max-examples", "20"]
"""Only those."""
OPEN = ["--mode", "positive"]
"""Where no credential is needed, a call without one has no fault."""


async def conforms(folder: Path, service: RunningService, config: str, *options: str, **env: str) -> str:
    """What the command said; it has found nothing."""
    file = folder / "schemathesis.toml"
    file.write_text(config)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", file),
        *("run", f"http://127.0.0.1:{service.port}/openapi.json", "--checks", "all"),
        *("--seed", "1", "--generation-database", "none", "--no-color", *options),
        cwd=folder,
        env={**os.environ, **env},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        told, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == 0, told.decode()
    return told.decode()


@pytest.mark.parametrize(
    "options",
    [
        # what erases the record comes in a run of its own
        [*CHAINED, *WITH_KEY, "--exclude-method", "DELETE"],
        [*EACH, *WITH_KEY, "--include-path-regex", r"^/rooms/\{name\}(/transcript)?$"],
        CHAINED,
    ],
    ids=["with the key", "with the key, what erases", "without"],
)
async def test_every_answer_is_documented(options: list[str], tmp_path: Path) -> None:
    """All checks on examples, edges, random and chained calls: no 5xx, no status, header or shape unnamed."""
    store = open_store(f"sqlite:///{tmp_path}/record.db")
    # the names of the document's own examples
    await store.open_session("interview-20261125-100000", "RM_jWckC8KTYYyd", STARTED)
    said = [segment(), gap(), window(), DEGRADED, LISTENING, END]
    stored = [Stored(seq, item) for seq, item in enumerate(said, 1)]
    await store.write("RM_jWckC8KTYYyd", 1, stored)
    await store.aclose()
    async with running_service(tmp_path, **LIVEKIT, API_KEY=KEY) as service:
        await conforms(tmp_path, service, STRICT + AWAY, *options)
    log = "".join(service.lines)
    assert log.count("action=call_answered") > 100
    assert "call_failed" not in log


def test_a_new_room_leads_to_every_call_with_its_name() -> None:
    """Links name calls that are there; generated clients get methods of the same names."""
    document = create_app(settings(), HttpLiveKit(settings()), MemoryStore()).openapi()
    calls = {
        operation["operationId"]: path
        for path, operations in document["paths"].items()
        for operation in operations.values()
    }
    assert len(calls) == sum(len(operations) for operations in document["paths"].values())
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", call) for call in calls)
    links = document["paths"]["/rooms/create"]["post"]["responses"]["200"]["links"]
    assert links.keys() == {call for call, path in calls.items() if "{name}" in path} | {"generate_token"}
    assert {name: link["operationId"] for name, link in links.items()} == {name: name for name in links}


@asynccontextmanager
async def no_rooms_left(livekit: LiveKit) -> AsyncIterator[None]:
    """Other tests share the server: rooms that nobody joins would stay for ten minutes."""
    try:
        yield
    finally:
        async with api.LiveKitAPI(livekit.url, livekit.api_key, livekit.api_secret) as client:
            for room in (await client.room.list_rooms(api.ListRoomsRequest())).rooms:
                await client.room.delete_room(api.DeleteRoomRequest(room=room.name))


@pytest.mark.parametrize(
    ("key", "options", "followed"),
    [
        (KEY, [*CHAINED, *WITH_KEY, "--include-tag", "rooms", "--include-tag", "tokens"], 3),
        # a closed room's record stays, which a check takes for a room that was not closed
        (KEY, [*CHAINS, *WITH_KEY, "--exclude-operation-id", "delete_room"], len(BY_NAME)),
        # and so do calls without a credential, where none is needed
        ("", [*CHAINS, *OPEN, "--exclude-checks", "ignored_auth,use_after_free"], len(BY_NAME) + 1),
        (KEY, CHAINS, 0),
    ],
    ids=["rooms, with the key", "records, with the key", "where none is needed", "without"],
)
async def test_what_follows_a_new_room_is_documented(
    key: str, options: list[str], followed: int, livekit: LiveKit, tmp_path: Path
) -> None:
    """The same with a LiveKit server: the links of a room that was made lead to every call with its name."""
    env = {**livekit.env, "DATABASE_URL": f"sqlite:///{tmp_path}/record.db"}
    hooks = {"PYTHONPATH": str(ROOT), "SCHEMATHESIS_HOOKS": "tests.http.schema_hooks"}
    async with (
        no_rooms_left(livekit),
        running_service(tmp_path, **env, API_KEY=key, SUPERVISE="false") as service,
    ):
        told = await conforms(tmp_path, service, STRICT + LINKED, *options, **env, **hooks)
    assert f" {followed} covered" in told
    assert "call_failed" not in "".join(service.lines)
