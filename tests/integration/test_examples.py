"""The examples, run as their readers run them, on a real room."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from agent.store import open_store
from agent.store.protocol import Stored
from local.recognizer.engines.scripted import ScriptedEngine
from local.recognizer.server import RecognizerServer
from local.speakers import RoomSpeaker
from tests.conftest import ROOT, LiveKit
from tests.contract.record import END, STARTED, window
from tests.integration.meeting import marked
from tests.integration.running_service import running_service

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]

WORDS = tuple(range(5))
marked(WORDS)  # made now: it takes time that others would be heard to stutter


async def example(name: str, *arguments: str, **env: str) -> Process:
    """Start one."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        f"examples/{name}.py",
        *arguments,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **env},
        stdout=PIPE,
        stderr=PIPE,
    )


async def printed(name: str, *arguments: str, **env: str) -> str:
    """What one prints that ends by itself, well."""
    process = await example(name, *arguments, **env)
    async with asyncio.timeout(30):
        out, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    return out.decode()


class _Model(BaseHTTPRequestHandler):
    """An endpoint that speaks chat completions: answers with what it was asked, in capitals."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        reply = {"choices": [{"message": {"content": asked["messages"][-1]["content"].upper()}}]}
        body = json.dumps(reply).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@asynccontextmanager
async def model() -> AsyncIterator[str]:
    """Its base URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Model)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        await asyncio.to_thread(server.shutdown)
        thread.join()
        server.server_close()


async def test_a_room_its_people_and_what_they_say(livekit: LiveKit, tmp_path: Path) -> None:
    """A room is made, somebody is listed in it, and a terminal shows what is said."""
    database = f"sqlite:///{tmp_path}/record.db"
    async with (
        RecognizerServer(ScriptedEngine(0.05)) as recognizer,
        running_service(tmp_path, **livekit.env, DATABASE_URL=database) as service,
    ):
        where = {"SERVICE_URL": f"http://127.0.0.1:{service.port}"}
        shown = await printed("create_room", **where)
        made = dict(re.findall(r"^(room|interviewer|candidate|observer): (\S+)$", shown, re.MULTILINE))
        assert made.keys() == {"room", "interviewer", "candidate", "observer"}
        agent = (await service.client.post("/rooms/create", json={"room_name": made["room"]})).json()
        terminal = await example(
            "live_terminal",
            made["room"],
            agent["agent_token"],
            LIVEKIT_URL=livekit.url,
            ELEVENLABS_API_KEY="local",
            ELEVENLABS_BASE_URL=recognizer.base_url,
            STT_LANGUAGE="en",
        )
        async with RoomSpeaker() as anna:
            await anna.join(livekit.url, made["interviewer"])
            await anna.microphone.heard(timeout=30)
            there = await printed("list_participants", **where)
            assert made["room"] in there
            assert re.search(r"^  .+ \(interviewer-\w+\), ACTIVE$", there, re.MULTILINE), there
            clip = marked(WORDS)
            await anna.say(clip.pcm, 48_000)
            said = " ".join(word.text for word in clip.words)
            assert terminal.stdout is not None
            async with asyncio.timeout(15):
                line = (await terminal.stdout.readline()).decode()
            assert re.fullmatch(rf"\d\d:\d\d interviewer: {said}\n", line)
        terminal.send_signal(signal.SIGINT)
        async with asyncio.timeout(20):
            assert await terminal.wait() == 0


async def test_every_window_is_handed_to_the_model(livekit: LiveKit, tmp_path: Path) -> None:
    """Windows of a record until its end, with an endpoint and without one."""
    database = f"sqlite:///{tmp_path}/record.db"
    store = open_store(database)
    opened = await store.open_session("a/b", "RM_1", STARTED)
    items = [window(0), window(1, text="good bye"), window(0, revision=2, text="hello there, Bob"), END]
    await store.write("RM_1", opened.epoch, [Stored(at, item) for at, item in enumerate(items, 1)])
    await store.aclose()
    async with (
        running_service(tmp_path, **livekit.env, DATABASE_URL=database) as service,
        model() as model_url,
    ):
        where = {"SERVICE_URL": f"http://127.0.0.1:{service.port}"}
        assert await printed("ask_a_model", "a/b", **where, MODEL_URL=model_url) == (
            "[0 s, revision 1] INTERVIEWER: HELLO THERE\n"
            "[10 s, revision 1] INTERVIEWER: GOOD BYE\n"
            "[0 s, revision 2] INTERVIEWER: HELLO THERE, BOB\n"
        )
        assert (await printed("ask_a_model", "a/b", **where)).startswith(
            "[0 s, revision 1] (no MODEL_URL) interviewer: hello there\n"
        )
