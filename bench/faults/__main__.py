"""`python -m bench.faults`: what becomes of known words when things break."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from agent.errors import LocalPartError
from bench.faults.lanes import Lanes
from bench.faults.row import Fault
from bench.faults.rows import ROWS
from bench.faults.table import Circumstances, print_table, write_json

_HELP = """Break things on purpose while two people say known words, and count every word.

Each row plays one fault on real parts: a LiveKit server, worker.py start, a recognizer that
breaks on command, SQLite or PostgreSQL. Words are counted in the record and in what a
listener in the room received. The table goes to the terminal, all figures to a JSON file.
The exit code is 1 when a bound is broken.

Arguments choose the rows whose name contains one of them: "killed", "for 60 s", participant.
"""


def main(
    *,
    names: Annotated[list[str] | None, typer.Argument(help="Parts of row names; none: all rows.")] = None,
    show: Annotated[bool, typer.Option("--list", help="Only print the names of the rows.")] = False,
    side_by_side: Annotated[int, typer.Option(min=1, max=8, help="Rows at a time.")] = 2,
    json_path: Annotated[Path, typer.Option("--json", help="Where the figures go.", dir_okay=False)] = Path(
        "faults-result.json"
    ),
) -> None:
    chosen = [one for one in ROWS if not names or any(name.lower() in one.name.lower() for name in names)]
    if not chosen:
        raise typer.BadParameter(f"no row has {' or '.join(names or [])} in its name; --list shows them")
    console = Console()
    if not console.is_terminal:
        console.width = 140  # a log has room for the table
    if show:
        console.print("\n".join(one.name for one in chosen), highlight=False)
        return
    if not run(chosen, side_by_side, json_path, console):
        raise typer.Exit(1)


def run(faults: Sequence[Fault], side_by_side: int, json_path: Path, console: Console) -> bool:
    """Play the rows and show them; True when every bound holds."""
    load, began = os.getloadavg()[0], time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="faults-"))
    console.print(f"logs: {folder}")

    def say(line: str) -> None:
        console.print(f"[dim]{time.strftime('%H:%M:%S')}[/]", end=" ")
        console.print(line, highlight=False, markup=False, soft_wrap=True)

    try:
        outcomes = asyncio.run(Lanes(folder, side_by_side, say).play(faults))
    except LocalPartError as error:
        print(f"faults: {error}", file=sys.stderr)
        raise typer.Exit(2) from error
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    circumstances = Circumstances(round(time.monotonic() - began, 1), load, side_by_side)
    print_table(outcomes, circumstances, console)
    write_json(outcomes, circumstances, json_path)
    console.print(f"written to {json_path}")
    return not any(outcome.broken for outcome in outcomes)


if __name__ == "__main__":
    cli = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    cli.command(help=_HELP)(main)
    cli(prog_name="python -m bench.faults")
