"""The worker as its operator runs it: a process that is asked by the LiveKit server."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest
from livekit import api

from agent.core.model import End, State
from agent.store import open_store
from local.child import Child
from local.marked_speech import sentences, synthesize
from local.ports import free_port
from local.recognizer.engines.scripted import ScriptedEngine
from local.recognizer.server import RecognizerServer
from local.speakers import Listener, RoomSpeaker, listening, participant_token
from tests.conftest import ROOT, LiveKit
from tests.integration.meeting import settings_of

pytestmark = pytest.mark.live

READY_SECONDS = 30.0


@dataclass(slots=True)
class RunningWorker:
    """A worker process, the LiveKit server that asks it, and its record."""

    livekit: LiveKit
    child: Child
    database_url: str
    stack: AsyncExitStack

    async def log_has(self, text: str, timeout: float = READY_SECONDS) -> None:
        """Wait for a line in the worker's log."""
        try:
            async with asyncio.timeout(timeout):
                while text not in self.child.log_tail(1000):
                    assert self.child.running, self.child.log_tail(50)
                    await asyncio.sleep(0.05)
        except TimeoutError:
            pytest.fail(f"{text!r} not in the worker's log:\n{self.child.log_tail(50)}")

    async def listener(self, room: str) -> Listener:
        token = participant_token(
            self.livekit.api_key, self.livekit.api_secret, room=room, identity="observer"
        )
        return await self.stack.enter_async_context(listening(self.livekit.url, token))

    async def speaker(self, room: str, identity: str, role: str = "") -> RoomSpeaker:
        speaker = await self.stack.enter_async_context(RoomSpeaker())
        token = participant_token(
            self.livekit.api_key, self.livekit.api_secret, room=room, identity=identity, role=role
        )
        await speaker.join(self.livekit.url, token)
        await speaker.microphone.heard(timeout=20)
        return speaker

    async def words(self, room: str) -> list[str]:
        """The words in the store."""
        store = open_store(self.database_url)
        try:
            info = await store.find_session(room)
            assert info is not None
            return [word.text for _, one in await store.segments(info.session) for word in one.words]
        finally:
            await store.aclose()


@asynccontextmanager
async def worker(
    livekit: LiveKit, folder: Path, command: str = "start", **settings: str
) -> AsyncIterator[RunningWorker]:
    """A registered worker; `settings` come on top of the usual ones."""
    async with AsyncExitStack() as stack:
        recognizer = await stack.enter_async_context(RecognizerServer(ScriptedEngine(0.05)))
        env = {
            **os.environ,
            **settings_of(livekit, recognizer, folder),
            "WORKER_PORT": "0",
            **settings,
        }
        child = await stack.enter_async_context(
            await Child.start(
                [sys.executable, str(ROOT / "worker.py"), command],
                name="worker",
                log_file=folder / "worker.log",
                env=env,
                cwd=folder,
                grace_seconds=20,
            )
        )
        people = await stack.enter_async_context(AsyncExitStack())
        running = RunningWorker(livekit, child, env["DATABASE_URL"], people)
        await running.log_has("registered worker")
        yield running


async def say(speaker: RoomSpeaker, first: int, count: int = 5) -> list[str]:
    """Say one marked sentence; returns its words."""
    plan = sentences(range(first, first + count), words_per_sentence=count, pause_seconds=1.0, start=0.1)
    clip = synthesize(plan, tail_seconds=0.1)
    await speaker.say(clip.pcm)
    return [word.text for word in clip.words]


async def test_joins_every_room_by_itself(livekit: LiveKit, tmp_path: Path) -> None:
    """Two rooms at once, each with its own transcriber; segments, windows and the end arrive in each."""
    async with worker(livekit, tmp_path) as running:
        rooms = ["auto one", "auto/two 🎙️"]
        heard = [await running.listener(room) for room in rooms]
        people = [await running.speaker(room, "anna", "interviewer") for room in rooms]
        said = await asyncio.gather(*(say(person, 10 * n) for n, person in enumerate(people)))
        for one, words in zip(heard, said, strict=True):
            await one.wait_until(lambda one=one: bool(one.finals), timeout=10)
            assert one.finals[0].text.split() == words
            assert one.finals[0].speaker.label == "interviewer"
        for person in people:
            await person.leave()
        for one in heard:
            await one.wait_for(lambda message: isinstance(message.item, End), timeout=10)
            assert [window.words for window in one.windows] == [5]
            assert one.messages[-1].sender.startswith("agent-transcriber-")


async def test_figures_are_the_sums_of_all_rooms(livekit: LiveKit, tmp_path: Path) -> None:
    """While a room runs, and still when it is over and its process is gone."""
    port = free_port()
    async with worker(livekit, tmp_path, METRICS_PORT=str(port)) as running:

        async def figure(name: str) -> float:
            text = (await client.get(f"http://127.0.0.1:{port}/metrics")).text
            return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name))

        async with httpx.AsyncClient() as client:
            for room in range(2):
                heard = await running.listener(f"figures {room}")
                anna = await running.speaker(f"figures {room}", "anna")
                async with asyncio.timeout(10):
                    while await figure("transcriber_tracks") != 1:  # noqa: ASYNC110
                        await asyncio.sleep(0.1)
                await say(anna, 0)
                await heard.wait_until(lambda heard=heard: bool(heard.finals), timeout=10)
                assert await figure("transcriber_words_total") == 5 * (room + 1)
                assert await figure("transcriber_answer_seconds_count") == room + 1
                assert 2 < await figure("transcriber_audio_sent_seconds_total") / (room + 1) < 5
                job = next(
                    one
                    for one in psutil.Process(running.child.pid).children(recursive=True)
                    if one.net_connections("udp")
                )
                await anna.leave()
                await running.stack.aclose()
                async with asyncio.timeout(40):
                    while job.is_running() or await figure("transcriber_tracks"):  # noqa: ASYNC110
                        await asyncio.sleep(0.1)
            assert await figure("transcriber_recognizer_sessions ") == 0
            text = (await client.get(f"http://127.0.0.1:{port}/metrics")).text
            for task in ("supervisor", "spools", "figures"):
                assert f'transcriber_background_failing{{task="{task}"}} 0.0' in text
                assert f'transcriber_background_failures_total{{task="{task}"}} 0.0' in text


async def test_named_worker_waits_to_be_asked(livekit: LiveKit, tmp_path: Path) -> None:
    """With AGENT_NAME set a room has no transcriber until one is dispatched by that name."""
    async with worker(livekit, tmp_path, AGENT_NAME="transcriber") as running:
        heard = await running.listener("named room")
        assert not heard.room.remote_participants
        async with api.LiveKitAPI(livekit.url, livekit.api_key, livekit.api_secret) as lk:
            await lk.agent_dispatch.create_dispatch(
                api.CreateAgentDispatchRequest(agent_name="transcriber", room="named room")
            )
        await heard.wait_until(lambda: bool(heard.statuses), timeout=15)
        assert heard.statuses[0].state is State.LISTENING


def ignores(pid: int, number: signal.Signals) -> bool:
    """What Linux tells of a process."""
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    mask = next(line for line in status if line.startswith("SigIgn")).split()[1]
    return bool(int(mask, 16) >> number - 1 & 1)


async def test_fork_server_has_loaded_our_modules(livekit: LiveKit, tmp_path: Path) -> None:
    """Wherever the worker was started: it ignores a stop signal, which agent/preload.py makes it do last."""
    async with worker(livekit, tmp_path) as running:
        tree = psutil.Process(running.child.pid).children(recursive=True)
        (server,) = [one for one in tree if "forkserver" in " ".join(one.cmdline()) and one.children()]
        assert ignores(server.pid, signal.SIGTERM)


async def test_sigterm_stores_the_last_words_first(livekit: LiveKit, tmp_path: Path) -> None:
    """A worker that is stopped in the middle of speech stores what was said, tells the room, and exits 0."""
    async with worker(livekit, tmp_path, DRAIN_SECONDS="0") as running:
        heard = await running.listener("stopped room")
        anna = await running.speaker("stopped room", "anna", "interviewer")
        first = await say(anna, 0)
        second = await say(anna, 5)
        await running.child.stop()
        assert await running.child.wait() == 0, running.child.log_tail(40)
        assert await running.words("stopped room") == first + second
        await heard.wait_until(lambda: heard.statuses[-1].state is State.STOPPED, timeout=5)
        assert [word for one in heard.finals for word in one.text.split()] == first + second


async def test_drains_until_the_meeting_is_over(livekit: LiveKit, tmp_path: Path) -> None:
    """A worker that is asked to stop finishes the meeting it is in, and then exits."""
    async with worker(livekit, tmp_path, DRAIN_SECONDS="30") as running:
        anna = await running.speaker("drained room", "anna", "interviewer")
        first = await say(anna, 0)
        stopping = asyncio.create_task(running.child.stop())
        await running.log_has("stopping", timeout=5)
        second = await say(anna, 5)
        await anna.leave()
        await stopping
        assert await running.child.wait() == 0
        assert await running.words("drained room") == first + second


def run_worker(*arguments: str, env: dict[str, str] | None = None) -> tuple[int, str]:
    """Run the worker to its end; exit code and what it printed."""
    done = subprocess.run(
        [sys.executable, "worker.py", *arguments],
        cwd=ROOT,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_start_refuses_without_a_key(livekit: LiveKit) -> None:
    """`start` without an ElevenLabs key says which setting is missing."""
    code, output = run_worker("start", env=livekit.env)
    assert code == 2
    assert "ELEVENLABS_API_KEY is not set" in output
    assert "Traceback" not in output


def test_refuses_malformed_settings(livekit: LiveKit) -> None:
    """Every wrong setting is named with its fix."""
    env = {**livekit.env, "ELEVENLABS_API_KEY": "x", "VAD_ACTIVATION": "1.7", "VAD_PRE_ROLL": "1"}
    code, output = run_worker("start", env=env)
    assert code == 2
    assert "VAD_ACTIVATION must be a number from 0 to 1" in output
    assert "VAD_PREROLL" in output
    assert "Traceback" not in output


async def test_dev_uses_the_local_recognizer(livekit: LiveKit, tmp_path: Path) -> None:
    """`dev` without a key says in one line that speech stays on this machine."""
    async with worker(livekit, tmp_path, "dev", ELEVENLABS_API_KEY="", ELEVENLABS_BASE_URL="") as running:
        assert "local recognizer" in running.child.log_tail(100)


async def test_connect_transcribes_one_room(livekit: LiveKit, tmp_path: Path) -> None:
    """`connect --room` joins a room that nobody dispatched, in the worker's own process."""
    async with AsyncExitStack() as stack:
        recognizer = await stack.enter_async_context(RecognizerServer(ScriptedEngine(0.05)))
        child = await stack.enter_async_context(
            await Child.start(
                [sys.executable, "worker.py", "connect", "--room", "one room"],
                name="worker",
                log_file=tmp_path / "worker.log",
                env={**os.environ, **settings_of(livekit, recognizer, tmp_path)},
                cwd=ROOT,
                grace_seconds=20,
            )
        )
        token = participant_token(livekit.api_key, livekit.api_secret, room="one room", identity="observer")
        heard = await stack.enter_async_context(listening(livekit.url, token))
        anna = await stack.enter_async_context(RoomSpeaker())
        await anna.join(
            livekit.url,
            participant_token(livekit.api_key, livekit.api_secret, room="one room", identity="anna"),
        )
        await anna.microphone.heard(timeout=20)
        words = await say(anna, 0)
        await heard.wait_until(lambda: bool(heard.finals), timeout=10)
        assert heard.finals[0].text.split() == words
        await child.stop()
        assert await child.wait() == 0, child.log_tail(40)
