"""`python -m bench.soak`: random faults on rooms full of talk, for as long as asked."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path
from random import SystemRandom
from typing import Annotated, Final

import typer
from livekit import api
from rich.console import Console

from agent.errors import LocalPartError
from bench.faults.kinds import open_site
from bench.faults.site import Site
from bench.soak.looks import Look, complaints, look
from bench.soak.meetings import Meetings
from bench.soak.report import Soak, print_report, write_json
from bench.soak.storm import Storm

ROOMS: Final = 3
WORKERS: Final = 2
IDLE_SECONDS: Final = 15.0
"""After its start a worker has all its processes by then."""
QUIET_SECONDS: Final = 90.0
"""After the last meeting, at most so long for everything to be given back."""

_HELP = """Break things at random, on three rooms, and see that nothing is lost and nothing leaks.

Two workers, three rooms that are always in a meeting, and faults of participants, jobs, workers and
the recognizer in an order that a seed decides. Prints the words of every meeting, and memory,
processes, threads and files of the workers; exit code 1 when something is not as it must be.
"""


def main(
    *,
    minutes: Annotated[float, typer.Option(min=0.5, help="How long people talk.")] = 30.0,
    seed: Annotated[int | None, typer.Option(help="Of an earlier run, to have it again.")] = None,
    json_path: Annotated[Path, typer.Option("--json", help="Where the figures go.", dir_okay=False)] = Path(
        "soak-result.json"
    ),
) -> None:
    console = Console()
    chosen = SystemRandom().randrange(1_000_000) if seed is None else seed
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    console.print(f"seed {chosen}, {minutes:g} minutes; logs: {folder}", highlight=False)

    def say(line: str) -> None:
        console.print(f"[dim]{time.strftime('%H:%M:%S')}[/]", end=" ")
        console.print(line, highlight=False, markup=False, soft_wrap=True)

    try:
        soak = asyncio.run(_soak(minutes, Storm(chosen, say), folder))
    except LocalPartError as error:
        print(f"soak: {error}", file=sys.stderr)
        raise typer.Exit(2) from error
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    print_report(soak, console)
    write_json(soak, json_path)
    console.print(f"written to {json_path}")
    if soak.broken:
        raise typer.Exit(1)


async def _soak(minutes: float, storm: Storm, folder: Path) -> Soak:
    async with open_site("plain", folder) as site:
        await site.have_workers(WORKERS)
        await asyncio.sleep(IDLE_SECONDS)
        before = look(site.workers, -1.0)
        meetings = Meetings(site, storm, folder)
        looks = await _talk(meetings, minutes)
        rooms_left = await _all_given_back(site, before)
        after = look(site.workers, minutes)
        return Soak(
            seed=storm.seed,
            minutes=minutes,
            happened=storm.happened,
            failures=storm.failures,
            outcomes=meetings.outcomes,
            before=before,
            looks=looks,
            after=after,
            open_sessions=int((await site.recognizer_stats())["open_sessions"]),
            rooms_left=rooms_left,
            complaints=complaints(one.log_file for one in (*site.workers, *site.retired)),
        )


async def _talk(meetings: Meetings, minutes: float) -> list[Look]:
    """Hold meetings in all rooms, break things, and look at the workers on the way."""
    began = time.monotonic()
    until = began + minutes * 60
    looks: list[Look] = []
    async with asyncio.TaskGroup() as group:
        rooms = [
            group.create_task(meetings.in_room(number, until), name=f"room {number}")
            for number in range(1, ROOMS + 1)
        ]
        site = group.create_task(
            meetings.storm.over_site(meetings.scenes, until), name="faults of the whole site"
        )
        for minute in (min(2.0, minutes / 4), minutes / 2, minutes - 0.2):
            await asyncio.wait([*rooms, site], timeout=max(0.0, began + minute * 60 - time.monotonic()))
            looks.append(look(meetings.site.workers, (time.monotonic() - began) / 60))
    return looks


async def _all_given_back(site: Site, before: Look) -> int:
    """Wait until the workers are as idle as before; the rooms that are left on the server."""
    livekit = site.livekit
    give_up = time.monotonic() + QUIET_SECONDS
    async with api.LiveKitAPI(livekit.url, livekit.api_key, livekit.api_secret) as lk:
        while True:
            rooms = len((await lk.room.list_rooms(api.ListRoomsRequest())).rooms)
            if rooms == 0 and look(site.workers, 0.0).processes <= before.processes:
                return 0
            if time.monotonic() > give_up:
                return rooms
            await asyncio.sleep(1)


if __name__ == "__main__":
    cli = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    cli.command(help=_HELP)(main)
    cli(prog_name="python -m bench.soak")
