"""Several workers of one LiveKit server and one record, to be stopped and killed; what was said to them."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
from livekit import api

from agent.core.model import Gap, Segment, State, Status
from agent.store import open_store
from agent.store.protocol import Store, Stored
from local.child import Child
from local.recognizer.engines.scripted import ScriptedEngine
from local.recognizer.server import RecognizerServer
from local.speakers import Listener, RoomSpeaker, listening, participant_token
from tests.conftest import ROOT, LiveKit
from tests.integration.meeting import Said, marked, settings_of, written

READY_SECONDS = 60.0


@dataclass(slots=True)
class Worker:
    """One worker process."""

    child: Child

    @property
    def jobs(self) -> list[psutil.Process]:
        """Its processes that are in a room: they have sockets for media."""
        return [one for one in self.processes if one.net_connections("udp")]

    @property
    def processes(self) -> list[psutil.Process]:
        """All of it but the keeper."""
        return psutil.Process(self.child.pid).children(recursive=True)

    def kill(self) -> None:
        """As its host's end would."""
        for process in self.processes:
            process.kill()

    async def log_has(self, text: str, timeout: float = READY_SECONDS) -> None:
        """Wait for a line in the log."""
        try:
            async with asyncio.timeout(timeout):
                while text not in self.log:
                    assert self.child.running, self.child.log_tail(50)
                    await asyncio.sleep(0.05)
        except TimeoutError:
            pytest.fail(f"{text!r} not in the worker's log:\n{self.child.log_tail(50)}")

    @property
    def log(self) -> str:
        """All it wrote."""
        return self.child.log_file.read_text(encoding="utf-8", errors="replace")


@dataclass(slots=True)
class Crew:
    """Workers, people and the record of one room."""

    livekit: LiveKit
    folder: Path
    room: str
    env: dict[str, str]
    store: Store
    stack: AsyncExitStack
    people: AsyncExitStack
    workers: list[Worker] = field(default_factory=list)
    said: Said = field(default_factory=Said)

    async def worker(self, **settings: str) -> Worker:
        """A further worker, registered."""
        started = await self.begin_worker(**settings)
        await started.log_has("registered worker")
        return started

    async def begin_worker(self, **settings: str) -> Worker:
        """A further worker, perhaps not registered yet."""
        child = await self.stack.enter_async_context(
            await Child.start(
                [sys.executable, "worker.py", "start"],
                name="worker",
                log_file=self.folder / f"worker{len(self.workers)}.log",
                env={**os.environ, **self.env, **settings},
                cwd=ROOT,
                grace_seconds=40,
            )
        )
        self.workers.append(Worker(child))
        return self.workers[-1]

    def token(self, identity: str, role: str = "") -> str:
        return participant_token(
            self.livekit.api_key, self.livekit.api_secret, room=self.room, identity=identity, role=role
        )

    async def listener(self) -> Listener:
        return await self.people.enter_async_context(listening(self.livekit.url, self.token("observer")))

    async def speaker(self, identity: str, role: str = "", *, heard: bool = True) -> RoomSpeaker:
        speaker = await self.people.enter_async_context(RoomSpeaker())
        await speaker.join(self.livekit.url, self.token(identity, role))
        if heard:
            await speaker.microphone.heard(timeout=20)
        return speaker

    async def say(self, speaker: RoomSpeaker, numbers: Sequence[int], pause: float = 1.0) -> None:
        """Say marked words in sentences of five."""
        clip = marked(tuple(numbers), 5, pause)
        self.said.note(speaker, clip, await speaker.say(clip.pcm, 48_000))

    async def until(self, holds: Callable[[], bool], timeout: float) -> None:
        """Wait for it."""
        try:
            async with asyncio.timeout(timeout):
                while not holds():  # noqa: ASYNC110 - processes announce nothing
                    await asyncio.sleep(0.05)
        except TimeoutError:
            pytest.fail("\n\n".join([f"not within {timeout} s", *(one.log[-6000:] for one in self.workers)]))

    async def began(self, times: int, timeout: float = 40) -> None:
        """Wait until a transcriber has begun so often, as the record says.

        The message of it in the room may come before a listener can hear it.
        """
        loop = asyncio.get_running_loop()
        since = loop.time()
        while sum(one.item == Status(State.LISTENING) for one in await self.record()) < times:
            if loop.time() - since > timeout:
                pytest.fail("\n\n".join(["no transcriber", *(one.log[-6000:] for one in self.workers)]))
            await asyncio.sleep(0.1)

    async def record(self) -> list[Stored]:
        """All items of the room's session."""
        info = await self.store.find_session(self.room)
        return [] if info is None else await self.store.items(info.session)

    async def dispatch(self) -> None:
        """Ask for one more, as anybody may."""
        async with api.LiveKitAPI(self.livekit.url, self.livekit.api_key, self.livekit.api_secret) as livekit:
            await livekit.agent_dispatch.create_dispatch(api.CreateAgentDispatchRequest(room=self.room))

    def missing(self, items: Sequence[Stored]) -> list[str]:
        """Words that are neither written nor in a gap of their speaker; fails when one is doubled.

        A word that a gap touches may be missing: half of it was heard.
        """
        segments = [one.item for one in items if isinstance(one.item, Segment)]
        gaps = [one.item for one in items if isinstance(one.item, Gap)]
        found = written(segments)
        assert len(found) == len(set(found)), sorted(found)
        for segment in segments:
            for word in segment.words:
                assert self.said.words[word.text][0] == segment.speaker.identity, word
        return [
            text
            for text, (identity, at) in self.said.words.items()
            if text not in found
            and not any(
                gap.speaker.identity == identity and gap.start - 0.6 <= at <= gap.end + 0.1 for gap in gaps
            )
        ]


@asynccontextmanager
async def crew(livekit: LiveKit, folder: Path, room: str, **settings: str) -> AsyncIterator[Crew]:
    """A record and a recognizer for workers to come."""
    async with AsyncExitStack() as stack:
        recognizer = await stack.enter_async_context(RecognizerServer(ScriptedEngine(0.05)))
        env = {
            **settings_of(livekit, recognizer, folder),
            "WORKER_PORT": "0",
            "DRAIN_SECONDS": "0",
            **settings,
        }
        store = open_store(env["DATABASE_URL"])
        stack.push_async_callback(store.aclose)
        people = await stack.enter_async_context(AsyncExitStack())
        yield Crew(livekit, folder, room, env, store, stack, people)
        await people.aclose()  # before the workers: they would hand the meeting over


def stop(process: psutil.Process) -> None:
    """As a host that hangs: no network, no beats."""
    process.send_signal(signal.SIGSTOP)
