"""`python -m local.demo`: an interview on this machine, transcribed while it is held. `--help` tells more."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from agent.core.model import Gap, Segment, Status, Window
from agent.errors import LocalPartError
from local.demo_meeting import Meeting, hold
from local.demo_parts import Parts, running_parts
from local.demo_result import DemoResult
from local.demo_view import View
from local.listener import Received
from local.ready import while_alive

_HELP = """Hold an interview in a real LiveKit room on this machine and transcribe it live. Needs no account.

Starts a LiveKit server (built on first use), the local recognizer, the token service and the worker, each a
process of its own; creates a room by REST; lets two recorded people speak in it; prints segments and windows
as they reach the room; then compares what was written with what was said, and stays up with commands to try
until Ctrl-C. Writes demo-result.json.
"""

EXIT_OK, EXIT_UNTRUE, EXIT_BROKEN, EXIT_INTERRUPTED = 0, 1, 2, 130


def main(
    *,
    once: Annotated[
        bool,
        typer.Option(
            "--once",
            help="End by itself: code 0 when both people's words are there under their labels, 1 when not.",
        ),
    ] = False,
    port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="Port of the token service.  [default: 8000, or a free one]"),
    ] = None,
    result_path: Annotated[
        Path, typer.Option("--result", dir_okay=False, help="Where the result goes.")
    ] = Path("demo-result.json"),
) -> None:
    console = Console()
    if not console.is_terminal:
        console.width = 120  # a log has room
    logging.basicConfig(handlers=[logging.NullHandler()])  # what libraries warn of is not for this screen
    try:
        code = asyncio.run(_run(console, once=once, port=port, result_path=result_path))
    except LocalPartError as error:
        print(f"\ndemo: {error}", file=sys.stderr)
        code = EXIT_BROKEN
    except (KeyboardInterrupt, asyncio.CancelledError):
        print("\ndemo: interrupted; everything was ended", file=sys.stderr)
        code = EXIT_INTERRUPTED
    raise typer.Exit(code)


async def _run(console: Console, *, once: bool, port: int | None, result_path: Path) -> int:
    this = asyncio.current_task()
    assert this is not None
    for number in (signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, this.cancel)
    with View(console) as view:
        view.progress("starting")
        async with running_parts(view.note, port) as parts:
            result = await while_alive(_interview(parts, view), parts.watches())
            await asyncio.to_thread(_write, result, result_path)
            view.summary(result, _findings(result, parts, result_path))
            code = EXIT_UNTRUE if result.problems else EXIT_OK
            if not once:
                view.lines(_to_try(result, parts))
                view.progress("everything stays up; Ctrl-C ends it")
                await _until_interrupted(parts)
            view.progress("ending everything")
    return code


def _write(result: DemoResult, path: Path) -> None:
    path.write_text(json.dumps(result.as_json(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


async def _interview(parts: Parts, view: View) -> DemoResult:
    """Hold it, showing everything as it comes."""
    async with Meeting(parts) as meeting, asyncio.TaskGroup() as group:
        view.note(f"room {meeting.room.name!r} was created by POST {parts.service.base_url}/rooms/create")
        beside = [
            group.create_task(_show(meeting, view), name="show"),
            group.create_task(_tick(meeting, view), name="progress"),
        ]
        result = await hold(meeting, view.note)
        for task in beside:
            task.cancel()
    return result


async def _show(meeting: Meeting, view: View) -> None:
    async for message in meeting.heard.stream():
        _show_one(message, view)


def _show_one(message: Received, view: View) -> None:
    match message.item:
        case Segment() as segment:
            view.segment(segment)
        case Window() as window:
            view.window(window)
        case Gap() as gap:
            view.gap(gap)
        case Status() as status:
            view.status(status)
        case end:
            view.note(f"the session has ended: {end.segments} segments, {end.words} words, {end.gaps} gaps")


async def _tick(meeting: Meeting, view: View) -> None:
    while True:
        view.progress(meeting.progress(time.monotonic()))
        await asyncio.sleep(0.25)


async def _until_interrupted(parts: Parts) -> None:
    """Until Ctrl-C, which here is the good end; raises LocalPartError when a program ends by itself."""
    try:
        await while_alive(asyncio.sleep(float("inf")), parts.watches())
    except asyncio.CancelledError:
        task = asyncio.current_task()
        assert task is not None
        task.uncancel()


def _findings(result: DemoResult, parts: Parts, result_path: Path) -> list[str]:
    """What a person may want to know."""
    wait = result.final_delay_seconds
    lines = [
        f"from the end of speech to the final text: p50 {wait.p50:.2f} s, p95 {wait.p95:.2f} s"
        if wait
        else "no final text came",
        f"{result.segments} segments, {result.windows} windows, {result.gaps} gaps",
    ]
    for sums in result.accounting:
        state = "balanced" if sums["balanced"] else "NOT BALANCED"
        lines.append(
            f"{sums['label']}: heard {sums['heard']:.1f} s, of it speech {sums['speech']:.1f} s "
            f"= answered {sums['answered']:.1f} s + gaps {sums['gap']:.1f} s: {state}"
        )
    lines += [f"PROBLEM: {problem}" for problem in result.problems] or ["both people are in the record"]
    return [
        *lines,
        f"the record:  {parts.database} (SQLite)",
        f"this result: {result_path.resolve()}",
        f"logs:        {parts.folder}",
    ]


def _to_try(result: DemoResult, parts: Parts) -> list[str]:
    """Commands that work while everything is up."""
    url, room = parts.service.base_url, parts.service.room_path(result.room)
    return [
        "",
        "Everything stays up. To try in another terminal:",
        f"  curl '{url}{room}/transcript?format=txt'    # the record, one segment a line",
        f"  curl '{url}{room}/transcript'               # the same with words and times, as JSON",
        f"  curl '{url}{room}/windows'                  # windows of 20 s for a language model",
        f"  curl -X POST '{url}/rooms/create' -H 'Content-Type: application/json' -d '{{}}'",
        f"  curl '{url}/rooms'    # rooms that are open now",
        f"  {url}/docs    all calls, in a browser",
    ]


if __name__ == "__main__":
    cli = typer.Typer(add_completion=False)
    cli.command(help=_HELP)(main)
    cli(prog_name="python -m local.demo")
