"""The worker: waits for rooms and transcribes each in a process of its own.

python worker.py start              production: needs LIVEKIT_* and ELEVENLABS_API_KEY
python worker.py dev                the same, with the local recognizer when there is no ElevenLabs key
python worker.py connect --room R   transcribes one room now, without waiting to be asked
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import signal
from collections.abc import Callable, Coroutine
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Annotated, NoReturn, cast

import typer
from livekit import api, rtc
from livekit.agents import (
    AgentServer,
    AutoSubscribe,
    JobContext,
    JobProcess,
    JobRequest,
    WorkerPermissions,
)
from livekit.agents.worker import ServerOptions

from agent.background.run_beside import Background, run_beside
from agent.core.speakers import TRANSCRIBER
from agent.errors import SettingsError, TranscriptionError
from agent.http.livekit import LiveKit
from agent.job_metrics import figures_folder
from agent.logs import set_up_logs
from agent.rtc.connect import connect as join_room
from agent.rtc.connect import encryption_with
from agent.rtc.silero import load_model
from agent.settings import Settings, load_settings
from agent.store.pickup import picker_for
from agent.supervise import Supervisor
from agent.transcriber import Transcriber

log = logging.getLogger("worker")
app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,  # they print local variables: secrets
    help="Waits for LiveKit rooms and transcribes each in a process of its own. Settings come from the "
    "environment or .env; docs/settings.md lists them.",
)

MOST_TOLD_LOAD = 0.65
"""Of a machine that has nothing left, 0..1."""
ROOT = Path(__file__).resolve().parent
IDLE_PROCESSES = 1
"""Spare processes that wait with everything loaded, so that a room is joined at once."""
FINISH_SECONDS = 60.0
"""How long a job may take to be followed by another, hear its last answers and store them; the session's own
limits are inside it."""


def prewarm(settings: Settings, process: JobProcess) -> None:
    """Once a process, before its job."""
    set_up_logs(settings)
    process.userdata["settings"] = settings
    process.userdata["model"] = load_model()


async def entrypoint(ctx: JobContext) -> None:
    """One room: starts its transcriber and returns once it is in the room; `finish` waits for its end."""
    settings: Settings = ctx.proc.userdata["settings"]
    transcriber = Transcriber(settings, ctx.proc.userdata["model"])

    async def run() -> None:
        reason = "failed"
        try:
            connect_room = partial(
                ctx.connect,
                auto_subscribe=AutoSubscribe.SUBSCRIBE_NONE,
                encryption=encryption_with(settings.e2ee_key),
            )
            await transcriber.run(ctx.room, connect_room)
            reason = "the session is over"
        finally:
            ctx.shutdown(reason)

    ctx.proc.userdata["transcriber"] = transcriber
    ctx.proc.userdata["running"] = asyncio.create_task(run(), name="transcriber")
    await transcriber.joined.wait()


async def finish(ctx: JobContext) -> None:
    """The job ends, the room is still connected if it lives: last words first."""
    transcriber: Transcriber | None = ctx.proc.userdata.get("transcriber")
    if transcriber is None:
        return
    transcriber.stop("the worker was stopped", hand_over=True)
    await ctx.proc.userdata["running"]


async def accept(supervisor: Supervisor, request: JobRequest) -> None:
    """Take every room; the identity tells a transcriber from other agents."""
    async with asyncio.TaskGroup() as group:
        group.create_task(supervisor.announce(request.room.sid), name="announce")
        await request.accept(name="Transcriber", identity=f"{TRANSCRIBER}{request.id}")


def told_load(server: AgentServer) -> float:
    """What LiveKit is told of this machine's load, so that it asks the calmest worker first.

    In proportion, but below the server's `agents.target_load` (0.7 unless configured): at that load the
    server takes a worker for full by itself, and the room gets nobody.
    """
    measure = cast(Callable[[AgentServer], float], ServerOptions.load_fnc)
    return MOST_TOLD_LOAD * measure(server)


def make_server(
    settings: Settings, supervisor: Supervisor, figures: str | None = None, *, devmode: bool
) -> AgentServer:
    """The AgentServer with our job, not running yet. `figures`: folder for those of the jobs, if any."""
    # LiveKit's own end-of-turn model would be loaded into every worker: 244 MB that we never use
    os.environ.setdefault("LIVEKIT_AGENTS_PRELOAD_LOCAL_INFERENCE", "0")
    # the fork server looks for what it preloads on its own path, and is silent when it is not there
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    server = AgentServer(
        ws_url=settings.livekit_url,
        api_key=settings.livekit_api_key,
        api_secret=settings.livekit_api_secret,
        setup_fnc=partial(prewarm, settings),
        num_idle_processes=0 if devmode else IDLE_PROCESSES,
        port=0 if devmode else settings.worker_port,
        prometheus_port=None if figures is None else settings.metrics_port,
        prometheus_multiproc_dir=figures,
        session_end_timeout=FINISH_SECONDS,
        preload_modules=["agent.preload"],
        # LiveKit asks once, when the room begins: a refusal costs the record, a busy machine only time. (The
        # framework's own threshold refuses all but the first of rooms that begin together.)
        load_threshold=math.inf,
        load_fnc=told_load,
        permissions=WorkerPermissions(can_publish=False, can_update_metadata=False),
        log_level=settings.log_level.upper(),
    )
    server.rtc_session(
        entrypoint,
        agent_name=settings.agent_name,
        on_request=partial(accept, supervisor),
        on_session_end=finish,
    )
    server.on("worker_registered", lambda *_: supervisor.take_jobs())
    return server


async def serve(settings: Settings, *, devmode: bool) -> None:
    """Run until SIGTERM or SIGINT; then let meetings go on for `DRAIN_SECONDS`, then hand them over.

    In `devmode` meetings are handed over at once.
    """
    stop = _stop_on_signals()
    livekit = LiveKit(settings)
    supervisor = Supervisor(settings, livekit)
    background = Background()
    measured = figures_folder(background) if settings.metrics_port else nullcontext()
    take_in = partial(picker_for(settings).keep_picking_up, settings.database_url)
    try:
        async with (
            measured as figures,
            run_beside(background, "supervisor", supervisor.run, is_held_up=lambda: supervisor.is_held_up),
            run_beside(background, "spools", take_in),
        ):
            server = make_server(settings, supervisor, figures, devmode=devmode)
            await _serve(server, supervisor, stop, None if devmode else settings.drain_seconds)
    finally:
        await livekit.aclose()


async def _serve(
    server: AgentServer, supervisor: Supervisor, stop: asyncio.Event, drain_seconds: float | None
) -> None:
    """`drain_seconds` None: development, which waits for no meeting."""
    running = asyncio.create_task(server.run(devmode=drain_seconds is None), name="server")
    stopped = asyncio.create_task(stop.wait(), name="stop")
    try:
        await asyncio.wait((running, stopped), return_when=asyncio.FIRST_COMPLETED)
        if not running.done():
            log.info("stopping", extra={"action": "worker_stopping"})
            await supervisor.stop_taking()
            if drain_seconds:
                await _drain(server, drain_seconds)
            await server.aclose()
        await running
    finally:
        stopped.cancel()


async def _drain(server: AgentServer, seconds: float) -> None:
    try:
        await server.drain(timeout=math.ceil(seconds))
    except TimeoutError:
        log.warning("drain time is over, leaving the rooms", extra={"action": "drain_over"})


async def transcribe_one(settings: Settings, room_name: str) -> None:
    """Join `room_name` (made when it is not there) in this process and stay until its end."""
    async with api.LiveKitAPI(
        settings.livekit_url, settings.livekit_api_key, settings.livekit_api_secret
    ) as livekit:
        await livekit.room.create_room(api.CreateRoomRequest(name=room_name))
    token = (
        api.AccessToken(settings.livekit_api_key, settings.livekit_api_secret)
        .with_identity(f"{TRANSCRIBER}{os.getpid()}")
        .with_kind("agent")
        .with_grants(
            api.VideoGrants(
                room_join=True, room=room_name, agent=True, can_publish=False, can_publish_data=True
            )
        )
        .to_jwt()
    )
    room = rtc.Room()
    transcriber = Transcriber(settings, load_model())
    stop = _stop_on_signals()
    running = asyncio.create_task(
        transcriber.run(
            room,
            partial(
                join_room, room, settings.livekit_url, token, encryption=encryption_with(settings.e2ee_key)
            ),
        ),
        name="transcriber",
    )
    stopped = asyncio.create_task(stop.wait(), name="stop")
    try:
        await asyncio.wait((running, stopped), return_when=asyncio.FIRST_COMPLETED)
        transcriber.stop("stopped by the operator")
        await running
    finally:
        stopped.cancel()
        await room.disconnect()


def _stop_on_signals() -> asyncio.Event:
    """Set by the first SIGTERM or SIGINT; the second one ends the process at once."""
    stop = asyncio.Event()

    def on_signal() -> None:
        if stop.is_set():
            os._exit(1)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, on_signal)
    return stop


@app.command()
def start() -> None:
    """Join every room by itself, or those that ask for AGENT_NAME. Needs LIVEKIT_* and ELEVENLABS_API_KEY."""
    settings = _settings()
    _require(settings.require_livekit, settings.require_recognizer)
    _run(serve(settings, devmode=False))


@app.command()
def dev() -> None:
    """Like start, to try out: stops at once, and uses the local recognizer when there is no key."""
    settings = _settings()
    _require(settings.require_livekit)
    _run(_with_recognizer(settings, lambda ready: serve(ready, devmode=True)))


@app.command()
def connect(room: Annotated[str, typer.Option(help="Name of the room to transcribe.")]) -> None:
    """Transcribe one room now, without being asked; the local recognizer when there is no key."""
    settings = _settings()
    _require(settings.require_livekit)
    _run(_with_recognizer(settings, lambda ready: transcribe_one(ready, room)))


def _settings() -> Settings:
    """All settings, or exit code 2 with what is wrong and how to mend it."""
    try:
        settings = load_settings()
    except SettingsError as exc:
        _refuse(exc)
    set_up_logs(settings)
    return settings


def _require(*checks: Callable[[], None]) -> None:
    for check in checks:
        try:
            check()
        except SettingsError as exc:
            _refuse(exc)


def _refuse(exc: TranscriptionError) -> NoReturn:
    typer.echo(str(exc), err=True)
    raise typer.Exit(2)


def _run(main: Coroutine[None, None, None]) -> None:
    try:
        asyncio.run(main)
    except TranscriptionError as exc:
        _refuse(exc)


async def _with_recognizer(
    settings: Settings, main: Callable[[Settings], Coroutine[None, None, None]]
) -> None:
    """Run `main`, with the local recognizer beside it when there is no ElevenLabs key."""
    if settings.elevenlabs_api_key:
        await main(settings)
        return
    from local.recognizer.child import local_recognizer  # noqa: PLC0415 - not part of a production image

    async with local_recognizer() as base_url:
        typer.echo(f"ELEVENLABS_API_KEY is not set: speech goes to the local recognizer at {base_url}")
        await main(
            settings.model_copy(update={"elevenlabs_base_url": base_url, "elevenlabs_api_key": "local"})
        )


if __name__ == "__main__":
    app()
