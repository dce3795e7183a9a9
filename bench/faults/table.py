"""The table for people and the JSON for programs."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from bench.faults.row import Outcome

COLUMNS: Final = (
    "words spoken",
    "written once",
    "doubled",
    "lost without a gap",
    "wrong speaker",
    "seconds of gap",
    "seconds to recover",
    "machine full",
    "",
)


@dataclass(frozen=True, slots=True)
class Circumstances:
    """Where and how the figures were taken."""

    seconds: float
    """All rows together, wall time."""
    load_before: float
    """Average of the last minute, before it began."""
    side_by_side: int
    """Rows at a time."""


def print_table(outcomes: Sequence[Outcome], circumstances: Circumstances, console: Console) -> None:
    """One line a row; "/ n" after a count of the record is the listener's, where it differs."""
    table = Table(
        title=f"{os.cpu_count()} cores, load before {circumstances.load_before:.2f}, took "
        f"{circumstances.seconds:.0f} s, {circumstances.side_by_side} rows at a time; "
        "record, / received in the room where that differs; machine full: share of the time in which "
        "something waited for a processor"
    )
    table.add_column("fault", ratio=1)
    for column in COLUMNS:
        table.add_column(column, justify="right" if column else "left", max_width=9, no_wrap=not column)
    for outcome in outcomes:
        table.add_row(outcome.fault.name, *_cells(outcome))
    console.print(table)
    for outcome in outcomes:
        for sentence in outcome.broken:
            console.print(f"[bold red]broken[/] {outcome.fault.name}: {sentence}", highlight=False)
        if outcome.skipped:
            console.print(f"not possible here: {outcome.fault.name}: {outcome.skipped}", highlight=False)


def _cells(outcome: Outcome) -> list[str]:
    mark = (
        "[dim]skipped[/]" if outcome.skipped else "[bold red]broken[/]" if outcome.broken else "[green]ok[/]"
    )
    if outcome.store is None or outcome.live is None:
        return ["–"] * (len(COLUMNS) - 1) + [mark]
    store, live = outcome.store, outcome.live
    recover = outcome.recover_seconds
    return [
        str(store.said),
        *(
            str(mine) if mine == theirs else f"{mine} / {theirs}"
            for mine, theirs in (
                (store.once, live.once),
                (store.doubled, live.doubled),
                (store.lost, live.lost),
                (store.wrong_speaker, live.wrong_speaker),
            )
        ),
        f"{outcome.gap_seconds:.1f}",
        "–" if recover is None else f"{recover:.1f}",
        "–" if outcome.waited_share is None else f"{outcome.waited_share:.0%}",
        mark,
    ]


def as_json(outcomes: Sequence[Outcome], circumstances: Circumstances) -> dict[str, Any]:
    """The body of the JSON file."""
    return {
        "taken_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": os.cpu_count(),
        "machine": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        **asdict(circumstances),
        "rows": [_row(outcome) for outcome in outcomes],
    }


def _row(outcome: Outcome) -> dict[str, Any]:
    fault = outcome.fault
    return {
        "fault": fault.name,
        **outcome.figures(),
        "torn_words": outcome.torn,
        "segments_asked_for": outcome.asked,
        "most_gap_seconds": fault.most_gap_seconds,
        "recover_seconds": None if outcome.recover_seconds is None else round(outcome.recover_seconds, 3),
        "most_recover_seconds": fault.most_recover_seconds,
        "told_seconds": None if outcome.told_seconds is None else round(outcome.told_seconds, 3),
        "most_told_seconds": fault.most_told_seconds,
        "took_seconds": round(outcome.took_seconds, 1),
        "not_possible_here": outcome.skipped,
    }


def write_json(outcomes: Sequence[Outcome], circumstances: Circumstances, path: Path) -> None:
    """All rows, with the circumstances."""
    path.write_text(json.dumps(as_json(outcomes, circumstances), indent=2) + "\n")
