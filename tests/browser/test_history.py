"""examples/history.ts in a real Chromium: late or away, its reader ends with exactly the record."""

from __future__ import annotations

import asyncio
import os
from asyncio.subprocess import PIPE
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page

from agent.core.fields import fields_of, type_of
from agent.core.model import End
from agent.store.protocol import Stored
from local.speakers import participant_token
from tests.conftest import ROOT, LiveKit
from tests.integration.meeting import marked, meeting

pytestmark = [pytest.mark.browser, pytest.mark.live, pytest.mark.timeout(120)]

CLIPS = [marked(tuple(range(first, first + 3))) for first in (0, 100, 200)]
READER = """
import { Room } from "livekit-client";
import { Record } from "./history";
const record = new Record();
Object.assign(window, {
  record,
  join: async (url, token) => {
    window.room = new Room();
    await room.connect(url, token);
    record.follow(room);
  },
  has: (last) => record.after >= last && record.items.has(last),
});
"""


async def bundled(packages: Path) -> str:
    """What a page of the example's reader would load."""
    process = await asyncio.create_subprocess_exec(
        *(str(packages / ".bin" / "esbuild"), "--bundle", "--loader=ts"),
        cwd=ROOT / "examples",
        env={**os.environ, "NODE_PATH": str(packages)},
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
    )
    async with asyncio.timeout(30):
        script, errors = await process.communicate(READER.encode())
    assert process.returncode == 0, errors.decode()
    return script.decode()


async def test_away_or_there_the_reader_ends_with_the_record(
    livekit: LiveKit, page: Page, captions_folder: Path, tmp_path: Path
) -> None:
    """It comes late, is away in the middle, and comes back with what it has."""
    await page.goto(livekit.url.replace("ws:", "http:"))  # LiveKit's client asks nothing from about:blank
    await page.add_script_tag(content=await bundled(captions_folder / "node_modules"))
    async with meeting(livekit, tmp_path) as room:
        token = participant_token(livekit.api_key, livekit.api_secret, room=room.room, identity="reader")
        anna = await room.join("anna", role="interviewer")

        async def hold(number: int) -> None:
            await room.say_clip(anna, CLIPS[number])
            await room.all_written()

        async def joined() -> None:
            await page.evaluate("([url, token]) => join(url, token)", [livekit.url, token])
            await all_read()

        async def all_read() -> list[Stored]:
            stored = await room.store.items(room.heard.messages[0].envelope.session)
            await page.wait_for_function("(last) => has(last)", arg=stored[-1].seq, timeout=10_000)
            return stored

        await hold(0)
        await joined()
        await hold(1)
        await page.evaluate("() => room.disconnect()")
        await hold(2)
        await joined()
        await anna.leave()
        await room.heard.wait_for(lambda message: isinstance(message.item, End), timeout=15)
        stored = await all_read()
        items: dict[str, dict[str, Any]] = await page.evaluate("() => Object.fromEntries(record.items)")
    assert len(stored) > 3
    assert sorted(map(int, items)) == [one.seq for one in stored]
    for one in stored:
        assert {"type": type_of(one.item), **fields_of(one.item)}.items() <= items[str(one.seq)].items()
