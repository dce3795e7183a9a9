"""`python -m local.recognizer`: the local recognizer as a program."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from typing import Annotated

import typer

from agent.errors import LocalPartError
from local.recognizer.engines import ENGINES
from local.recognizer.engines.engine import Engine
from local.recognizer.engines.scripted import ScriptedEngine
from local.recognizer.server import RecognizerServer
from local.recognizer.session import Limits

_HELP = """Speak ElevenLabs' realtime speech-to-text protocol on this machine, with no account.

When it listens it prints one line, `ready http://HOST:PORT/v1`.
Give that URL to the worker as ELEVENLABS_BASE_URL, or as base_url to
livekit-plugins-elevenlabs or the elevenlabs SDK.

GET /health tells that it is alive. POST /control/faults breaks it on
command (docs/recognizer.md). SIGTERM or Ctrl-C ends it.
"""


def _make_engine(name: str, answer_delay: float | None) -> Engine:
    if name not in ENGINES:
        raise typer.BadParameter(f"engine must be one of {', '.join(ENGINES)}, got {name!r}")
    if answer_delay is None:
        return ENGINES[name]()
    if name != ScriptedEngine.name:
        raise typer.BadParameter(
            "--answer-delay is for --engine scripted; moonshine takes as long as it takes"
        )
    return ScriptedEngine(answer_delay)


def main(
    *,
    engine: Annotated[
        str,
        typer.Option(
            help="moonshine recognizes English speech; scripted recognizes marked speech, for tests."
        ),
    ] = "moonshine",
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 0,
    answer_delay: Annotated[
        float | None,
        typer.Option(min=0, help="Seconds from a commit to its answer (scripted only).", show_default="0.05"),
    ] = None,
    api_key: Annotated[
        str | None, typer.Option(help="Key that clients must show; without this option any or none will do.")
    ] = None,
    idle_seconds: Annotated[
        float,
        typer.Option(min=0.1, help="A session without any message for this long is closed (code 1000)."),
    ] = Limits().idle_seconds,
    session_seconds: Annotated[
        float | None,
        typer.Option(
            min=0.1, help="Life of a session before session_time_limit_exceeded.", show_default="no limit"
        ),
    ] = None,
    max_sessions: Annotated[
        int, typer.Option(min=1, help="Sessions at one time; one more gets HTTP 429.")
    ] = 256,
) -> None:
    limits = Limits(idle_seconds=idle_seconds, session_seconds=session_seconds)
    server = RecognizerServer(
        _make_engine(engine, answer_delay),
        host,
        port,
        api_key=api_key,
        limits=limits,
        max_sessions=max_sessions,
    )
    try:
        asyncio.run(_serve(server, engine))
    except LocalPartError as error:
        print(f"recognizer: {error}", file=sys.stderr)
        raise typer.Exit(1) from error


async def _serve(server: RecognizerServer, engine: str) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    print(f"recognizer: loading the {engine} engine …", file=sys.stderr, flush=True)
    begin = time.monotonic()
    async with server:
        print(f"recognizer: loaded in {time.monotonic() - begin:.1f} s", file=sys.stderr, flush=True)
        print(f"ready {server.base_url}", flush=True)
        await stop.wait()
    print("recognizer: ended", file=sys.stderr, flush=True)


if __name__ == "__main__":
    cli = typer.Typer(add_completion=False)
    cli.command(help=_HELP)(main)
    cli(prog_name="python -m local.recognizer")
