"""Every `curl` of the README, run against the service, answers as the README shows."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest

from agent.store import open_store
from agent.store.protocol import Stored
from tests.conftest import ROOT, LiveKit
from tests.contract.record import ADA, BOB, LISTENING, STARTED, segment
from tests.http.service import LIVEKIT
from tests.integration.running_service import running_service

ADDRESS = "http://127.0.0.1:8000"
NEEDS_LIVEKIT = "/rooms/create"
"""In a command that makes a room."""


def calls() -> dict[str, str]:
    """Each command of the README and the answer below it."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    found = {}
    for block in re.findall(r"(?:^    .+\n)+", text, re.MULTILINE):
        lines = re.sub(r"^    ", "", block, flags=re.MULTILINE)
        command = re.match(r"curl (?:.*\\\n)*.*\n", lines)
        if command is not None:
            found[command[0].strip()] = lines[command.end() :].strip()
    return found


def shape(shown: Any, given: Any) -> list[str]:
    """Where two answers differ by more than their values; null may be anything that is not known yet."""
    match shown, given:
        case dict(), dict():
            other = [f"fields {sorted(shown)} are {sorted(given)}"] if shown.keys() != given.keys() else []
            return other + [
                f"{name}: {fault}"
                for name in shown.keys() & given.keys()
                for fault in shape(shown[name], given[name])
            ]
        case list(), list():
            return [fault for one in given for fault in shape(shown[0] if shown else None, one)]
        case (None, _) | (_, None):
            return []
    return [] if type(shown) is type(given) else [f"{shown!r} is {given!r}"]


def check(shown: str, given: str) -> None:
    """JSON by its shape, text by all but its numbers."""
    if shown.startswith(("{", "[{")):
        assert shape(json.loads(shown), json.loads(given)) == []
    else:
        assert re.sub(r"\d", "0", given.strip()) == re.sub(r"\d", "0", shown)


async def run_all(folder: Path, env: dict[str, str], *, with_livekit: bool) -> None:
    """The commands that need a LiveKit server, or the others."""
    chosen = {one: shown for one, shown in calls().items() if (NEEDS_LIVEKIT in one) is with_livekit}
    assert chosen
    async with running_service(folder, **env) as service:
        for command, shown in chosen.items():
            assert ADDRESS in command, "each call of the README is of this service"
            process = await asyncio.create_subprocess_exec(
                "bash",
                "-c",
                command.replace(ADDRESS, f"http://127.0.0.1:{service.port}"),
                cwd=folder,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
            )
            async with asyncio.timeout(20):
                given, _ = await process.communicate()
            assert process.returncode == 0, command
            check(shown, given.decode())


async def test_the_readme_s_calls_answer_as_it_shows(tmp_path: Path) -> None:
    """With the record of the interview that it speaks of."""
    store = open_store(f"sqlite:///{tmp_path}/record.db")
    await store.open_session("interview-1", "RM_bXsNGkRTvQxK", STARTED)
    said = [LISTENING, segment("Tell me about yourself.", 4.2, ADA), segment("I build things.", 9.5, BOB)]
    await store.write("RM_bXsNGkRTvQxK", 1, [Stored(seq, item) for seq, item in enumerate(said, 1)])
    await store.aclose()
    await run_all(tmp_path, LIVEKIT, with_livekit=False)


async def test_the_readme_s_rooms_are_made(livekit: LiveKit, tmp_path: Path) -> None:
    """On a LiveKit server."""
    await run_all(tmp_path, livekit.env, with_livekit=True)


@pytest.mark.parametrize(
    ("shown", "given"),
    [
        ('{"a": 1}', '{"a": 1, "b": 2}'),
        ('{"a": 1, "b": 2}', '{"a": 1}'),
        ('{"a": {"b": "x"}}', '{"a": {"b": 1}}'),
        ('[{"a": 1}]', '[{"a": 1}, {"b": 1}]'),
        ("[00:00:04] a: b", "[00:00:04] a: c"),
    ],
)
def test_another_shape_is_seen(shown: str, given: str) -> None:
    """The comparison can fail."""
    with pytest.raises(AssertionError):
        check(shown, given)
