"""`python -m local.livekit`: the server in the foreground, with the lines to copy into an environment."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from agent.errors import LocalPartError
from local.livekit.binary import find_or_build
from local.livekit.server import LiveKitServer


def main(
    *,
    port: Annotated[int, typer.Option(help="TCP port; 0 takes a free one.")] = 0,
    empty_timeout: Annotated[int, typer.Option(help="Seconds a room that nobody joined stays.")] = 300,
    departure_timeout: Annotated[
        int, typer.Option(help="Seconds a room stays after the last one left.")
    ] = 20,
    webhook: Annotated[list[str] | None, typer.Option(help="URL for signed events; may be repeated.")] = None,
    log_file: Annotated[Path | None, typer.Option(help="File for the server's own log.")] = None,
    build: Annotated[
        bool, typer.Option("--build", help="Only find or build the program, print its path.")
    ] = False,
) -> None:
    """Run a real LiveKit server on 127.0.0.1, built on first use, until Ctrl-C."""
    server = LiveKitServer(
        port=port,
        empty_timeout_seconds=empty_timeout,
        departure_timeout_seconds=departure_timeout,
        webhook_urls=webhook or (),
        log_file=log_file,
    )
    try:
        asyncio.run(_build() if build else _serve(server))
    except (KeyboardInterrupt, asyncio.CancelledError):
        return  # told to stop
    except LocalPartError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(1) from None


async def _build() -> None:
    print(await find_or_build())


async def _serve(server: LiveKitServer) -> None:
    this = asyncio.current_task()
    assert this is not None
    for number in (signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, this.cancel)
    async with server:
        for name, value in server.env.items():
            print(f"{name}={value}", flush=True)
        print(
            f"LiveKit server is up; its log: {server.log_file}. Ctrl-C ends it.", file=sys.stderr, flush=True
        )
        await server.wait()


if __name__ == "__main__":
    typer.run(main)
