"""The table for people and the JSON for programs."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.figures import Row

HEADINGS = {
    "1x2": "1 room x 2 speakers",
    "4x2": "4 rooms x 2 speakers",
    "quiet": "1 room x 2 speakers, a sentence every 17 s",
    "service": "token service",
    "exports": "a record of 3 hours and 40,000 words",
}


@dataclass(frozen=True, slots=True)
class Circumstances:
    """Where and how the figures were taken."""

    seconds: float
    """The whole bench took so long."""
    load_before: float
    """Average of the last minute, before the bench: well above 0, others were at work."""
    commands: dict[str, str]
    """Name of the program under test -> its command."""


def print_table(rows: Sequence[Row], circumstances: Circumstances, console: Console) -> None:
    """One line a row: what, the figure, its bound, and whether it is within."""
    table = Table(
        title=f"{os.cpu_count()} cores, load before {circumstances.load_before:.2f}, took "
        f"{circumstances.seconds:.0f} s; the recognizer answers 50 ms after a commit"
    )
    table.add_column("measured by marked speech", no_wrap=True)
    table.add_column("figure", justify="right", no_wrap=True)
    table.add_column("at most", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True, min_width=4)
    before = None
    for row in rows:
        if row.run != before:
            table.add_section()
            table.add_row(f"[bold]{HEADINGS.get(row.run, row.run)}[/]")
        before = row.run
        mark = {None: "", True: "[green]ok[/]", False: "[bold red]over[/]"}[row.within]
        what = f"  {row.what}" + (f" [dim]({row.note})[/]" if row.note else "")
        table.add_row(what, _figures(row.values, row.unit), _bounds(row.bounds), mark)
    console.print(table)


def _figures(values: Sequence[float], unit: str) -> str:
    if not values:
        return "–" if unit else ""
    return " / ".join(_figure(value) for value in values) + (f" {unit}" if unit else "")


def _bounds(bounds: Sequence[float]) -> str:
    """One figure when all are the same."""
    return _figures(bounds[:1] if len(set(bounds)) == 1 else bounds, "")


def _figure(value: float) -> str:
    if isinstance(value, int):
        return str(value)
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3f}" if abs(value) < 1 else f"{value:.2f}"


def write_json(rows: Sequence[Row], circumstances: Circumstances, path: Path) -> None:
    """All rows, with the circumstances."""
    path.write_text(json.dumps(as_json(rows, circumstances), indent=2) + "\n")


def as_json(rows: Sequence[Row], circumstances: Circumstances) -> dict[str, Any]:
    """The body of the JSON file."""
    return {
        "taken_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": os.cpu_count(),
        "machine": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "load_before": circumstances.load_before,
        "seconds": round(circumstances.seconds, 1),
        "commands": circumstances.commands,
        "rows": [
            {
                "run": row.run,
                "what": row.what,
                "unit": row.unit,
                "values": [round(value, 4) for value in row.values],
                "bounds": list(row.bounds),
                "within": row.within,
                "note": row.note,
            }
            for row in rows
        ],
    }
