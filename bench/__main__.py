"""`python -m bench`: measure the worker and the token service, beside the floor."""

from __future__ import annotations

import asyncio
import os
import shlex
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from agent.errors import LocalPartError
from bench.exports import measure_exports
from bench.figures import Row
from bench.recognizer import scripted_recognizer
from bench.report import Circumstances, print_table, write_json
from bench.rows import export_rows, run_rows, service_rows
from bench.run import Stage, run_floor, run_scenario
from bench.scenario import Scenario, default_scenarios
from bench.service import measure_service
from bench.subject import Subject, our_worker
from local.livekit.server import LiveKitServer

_HELP = """Measure the worker on a real LiveKit server with the scripted recognizer.

Marked words are said at known times by speakers in processes of their own; a process that only receives the
same tracks (the floor) is measured on the same speech. Prints a table with the bound of design section 11
beside each figure, and writes it as JSON. Nothing else should run on the machine meanwhile.
"""


def main(
    *,
    scenario: Annotated[
        list[str] | None,
        typer.Argument(help="1x2, quiet, 4x2 (rooms x speakers), service, exports; none: all of them."),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Shorter talk, no quiet meeting; 90 s.")] = False,
    json_path: Annotated[Path, typer.Option("--json", help="Where the figures go.", dir_okay=False)] = Path(
        "bench-result.json"
    ),
    worker: Annotated[
        str | None,
        typer.Option(help="Command line of another program to measure in place of worker.py start."),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 1 when a figure is over its bound.")
    ] = False,
) -> None:
    scenarios = default_scenarios(quick=quick)
    names = {one.name for one in scenarios} | {"service", "exports"}
    wanted = set(scenario or names)
    if unknown := wanted - names:
        raise typer.BadParameter(f"no scenario {', '.join(sorted(unknown))}; there are {sorted(names)}")
    console = Console()
    if not console.is_terminal:
        console.width = 120  # a log has room for the table
    chosen = [one for one in scenarios if one.name in wanted]
    subject = our_worker(worker)
    load, began = os.getloadavg()[0], time.monotonic()
    try:
        rows = asyncio.run(_bench(chosen, subject, wanted, console))
    except LocalPartError as error:
        print(f"bench: {error}", file=sys.stderr)
        raise typer.Exit(2) from error
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    commands = {subject.name: shlex.join(subject.command)}
    circumstances = Circumstances(time.monotonic() - began, load, commands)
    print_table(rows, circumstances, console)
    write_json(rows, circumstances, json_path)
    console.print(f"written to {json_path}")
    if strict and any(row.within is False for row in rows):
        raise typer.Exit(1)


async def _bench(
    scenarios: list[Scenario], subject: Subject, wanted: set[str], console: Console
) -> list[Row]:
    rows: list[Row] = []
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    console.print(f"logs: {folder}")

    def say(line: str) -> None:
        console.print(f"[dim]{time.strftime('%H:%M:%S')}[/] {line}", highlight=False)

    if "exports" in wanted:
        say("exports: a record of 3 hours and 40,000 words in every format")
        rows += export_rows(await measure_exports(folder))
    if not scenarios and "service" not in wanted:
        return rows
    async with LiveKitServer(log_file=folder / "livekit.log", progress=say) as livekit:
        async with scripted_recognizer(folder) as recognizer:
            stage = Stage(livekit, recognizer, folder, say)
            for scenario in scenarios:
                run = await run_scenario(stage, scenario, subject)
                floor = await run_floor(stage, scenario) if scenario.floor else None
                rows += run_rows(run, floor)
        if "service" in wanted:
            say("service: start, rooms, tokens")
            rows += service_rows(await measure_service(livekit, folder))
    return rows


if __name__ == "__main__":
    cli = typer.Typer(add_completion=False)
    cli.command(help=_HELP)(main)
    cli(prog_name="python -m bench")
