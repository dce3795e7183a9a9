"""Faults of workers, their processes and the LiveKit server."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import Iterator

from livekit import api

from agent.errors import LocalPartError
from bench.faults.priority import prefer
from bench.faults.recognizer import counted
from bench.faults.row import Disturbance, FaultAbsent
from bench.faults.scene import MID_WORD_SECONDS, Scene
from bench.faults.site import Site, kill_tree, registered
from bench.measure import program
from local.child import Child
from local.ready import tail

NO_WORKER_SECONDS = 6.0
TOLD_SECONDS = 4.0
"""Trouble is told within 3 s."""
OVERTAKEN_SECONDS = 5.0
"""A sentence and its answer take less, and no answer is overdue for so long that it is asked for again."""
STEADY_SECONDS = 2.0
"""A roll-out lets a new worker be ready for so long before it stops the next old one."""
SERVER_AWAY_SECONDS = 2.0
STOP_SECONDS = 40.0
"""A worker with DRAIN_SECONDS=0 has ended by then."""
BACK_SECONDS = 40.0
"""After the server's start, so long for the voices and the listener to be back by themselves."""


def job_of(site: Site, room: str) -> tuple[Child, int]:
    """The worker that has the room, and the process of its job, as the log of the last start says.

    Raises:
        FaultAbsent: no log tells of it.
    """
    found: tuple[Child, int] | None = None
    latest = ""
    for worker, entry in _entries(site, room):
        if entry.get("action") == "session_started" and entry["time"] > latest:
            latest, found = entry["time"], (worker, int(entry["pid"]))
    if found is None:
        raise FaultAbsent(f"no worker says that it has {room}")
    return found


def _entries(site: Site, room: str) -> Iterator[tuple[Child, dict[str, str]]]:
    """What the logs of all workers say of a room, each worker's in order."""
    for worker in (*site.workers, *site.retired):
        for line in worker.log_file.read_text(errors="replace").splitlines():
            if (entry := _entry(line)).get("room") == room:
                yield worker, entry


def _entry(line: str) -> dict[str, str]:
    try:
        entry = json.loads(line)
    except ValueError:
        return {}  # what a library prints past our formatter
    return entry if isinstance(entry, dict) else {}


async def job_killed(scene: Scene) -> Disturbance:
    """SIGKILL to the process of the room's job; its worker lives."""
    _, pid = job_of(scene.site, scene.room)
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError as error:
        raise FaultAbsent(f"the job of {scene.room} had ended by itself") from error
    at = time.time()
    return Disturbance(at, at)


async def job_killed_with_answers_overdue(scene: Scene) -> Disturbance:
    """Two commits are left unanswered, later ones are answered, then the job is killed."""
    await counted(mute_commits=2)(scene)
    await asyncio.sleep(OVERTAKEN_SECONDS)
    return await job_killed(scene)


async def job_killed_in_trouble(scene: Scene) -> Disturbance:
    """The recognizer is away and the room knows; the job is killed, then the recognizer is back."""
    await scene.site.set_faults(drop_now=True, refuse_status=503)
    await asyncio.sleep(TOLD_SECONDS)
    killed = await job_killed(scene)
    await scene.site.set_faults()
    return killed


async def host_killed(scene: Scene) -> Disturbance:
    """SIGKILL to every process of the worker that has the room; another worker is there."""
    worker, _ = job_of(scene.site, scene.room)
    at = kill_tree(worker)
    scene.site.retire(worker)
    return Disturbance(at, at)


async def no_worker(scene: Scene) -> Disturbance:
    """People are in the room and talk; then a worker is started."""
    began = time.time()
    await asyncio.sleep(NO_WORKER_SECONDS)
    worker = await scene.site.start_worker()
    await registered(worker)
    return Disturbance(began, time.time())


async def terminated(scene: Scene) -> Disturbance:
    """SIGTERM to the worker that has the room, in mid speech; another worker is there."""
    worker, _ = job_of(scene.site, scene.room)
    at = _terminate(scene.site, worker)
    await _ended(worker)
    return Disturbance(at, at)


async def both_restarted(scene: Scene) -> Disturbance:
    """A rolling restart of two workers: each is replaced when the one before it is at work."""
    began = at = time.time()
    for worker in list(scene.site.workers):
        at = _terminate(scene.site, worker)
        await _ended(worker)
        if await scene.recovery(at) is None:
            raise LocalPartError(f"no text after {worker.name} was told to stop")
        await registered(await scene.site.start_worker())
        await asyncio.sleep(STEADY_SECONDS)
    return Disturbance(began, at)


async def newest_replaced(scene: Scene) -> Disturbance:
    """SIGTERM to the worker that was started last, whatever it does; then another one is started."""
    site = scene.site
    worker = site.workers[-1]
    at = _terminate(site, worker)
    await _ended(worker)
    await registered(await site.start_worker())
    return Disturbance(at, at)


def _terminate(site: Site, worker: Child) -> float:
    os.kill(program(worker.pid), signal.SIGTERM)
    site.retire(worker)
    return time.time()


async def _ended(worker: Child) -> None:
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await worker.wait()
    except TimeoutError as error:
        raise LocalPartError(
            f"{worker.name} still runs {STOP_SECONDS:g} s after SIGTERM:\n{tail(worker)}"
        ) from error


async def asked_twice(scene: Scene) -> Disturbance:
    """A second job is dispatched to the room: one of the two has to leave."""
    livekit = scene.site.livekit
    async with api.LiveKitAPI(livekit.url, livekit.api_key, livekit.api_secret) as lk:
        at = time.time()
        before = _jobs_decided(scene)
        await lk.agent_dispatch.create_dispatch(api.CreateAgentDispatchRequest(room=scene.room))
        await scene.until(
            lambda: _jobs_decided(scene) > before, scene.fault.patience_seconds, "sign of the second job"
        )
        give_up = time.monotonic() + scene.fault.patience_seconds
        while (count := await _agents(lk, scene.room)) != 1:
            if time.monotonic() > give_up:
                raise LocalPartError(f"{count} transcribers are in the room")
            await asyncio.sleep(0.1)
    return Disturbance(at, at)


def _jobs_decided(scene: Scene) -> int:
    """Jobs of the room that have taken it or left it to another; one may be there for an instant only."""
    actions = [entry.get("action") for _, entry in _entries(scene.site, scene.room)]
    return actions.count("room_taken") + actions.count("session_started")


async def _agents(lk: api.LiveKitAPI, room: str) -> int:
    """Transcribers in the room."""
    people = await lk.room.list_participants(api.ListParticipantsRequest(room=room))
    return sum(one.kind == api.ParticipantInfo.Kind.AGENT for one in people.participants)


async def server_restarted(scene: Scene) -> Disturbance:
    """The LiveKit server is gone for 2 s and knows nothing of the room when it is back."""
    began = time.time()
    await scene.site.livekit.stop()
    await asyncio.sleep(SERVER_AWAY_SECONDS)
    await scene.site.livekit.start()
    prefer(scene.site.livekit.pid)
    back = time.time()
    for identity, voice in scene.voices.items():
        await scene.until(
            lambda voice=voice: bool(voice.links) and voice.links[-1].up,  # type: ignore[misc]
            BACK_SECONDS,
            f"sign of {identity} after the server's restart",
        )
        scene.excuse(identity, began, voice.links[-1].at + MID_WORD_SECONDS)
    return Disturbance(began, max(back, *(voice.links[-1].at for voice in scene.voices.values())))
