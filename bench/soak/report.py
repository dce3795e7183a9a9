"""The figures of a run, what it must not do, and the JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from bench.faults.row import Outcome
from bench.soak.looks import Look

MEMORY_GROWTH: Final = 0.15
"""Share by which the idle workers may hold more afterwards."""
FILES_GROWTH: Final = 10
THREADS_GROWTH: Final = 4


@dataclass(frozen=True, slots=True)
class Soak:
    """A run."""

    seed: int
    minutes: float
    happened: Mapping[str, int]
    """Fault -> how often it came."""
    failures: Sequence[str]
    """What did not come back after a fault of the whole site."""
    outcomes: Sequence[Outcome]
    """Of every meeting."""
    before: Look
    """Idle workers, before the first meeting."""
    looks: Sequence[Look]
    """While people talk: minute 2, half, the end."""
    after: Look
    """Idle workers, after the last meeting."""
    open_sessions: int
    """Of the recognizer, afterwards."""
    rooms_left: int
    """On the LiveKit server, afterwards."""
    complaints: Mapping[str, int]
    """What the workers' logs say that no fault excuses."""

    @property
    def broken(self) -> list[str]:
        """What is not as it must be, a sentence each."""
        broken = [f"{one.fault.name}: {sentence}" for one in self.outcomes for sentence in one.broken]
        broken += self.failures
        before, after = self.before, self.after
        if after.processes > before.processes:
            broken.append(f"{after.processes} processes afterwards, {before.processes} before")
        if after.files > before.files + FILES_GROWTH:
            broken.append(f"{after.files} open files afterwards, {before.files} before")
        if after.threads > before.threads + THREADS_GROWTH:
            broken.append(f"{after.threads} threads afterwards, {before.threads} before")
        if after.pss_bytes > before.pss_bytes * (1 + MEMORY_GROWTH):
            broken.append(f"{_mb(after.pss_bytes)} MB afterwards, {_mb(before.pss_bytes)} MB before")
        if self.open_sessions:
            broken.append(f"{self.open_sessions} recognizer sessions are open")
        if self.rooms_left:
            broken.append(f"{self.rooms_left} rooms are left on the LiveKit server")
        if not self.outcomes:
            broken.append("no meeting was held")
        return broken + [f"the logs say {times} times: {part}" for part, times in self.complaints.items()]

    def sums(self) -> dict[str, int]:
        """The words of all meetings together."""
        counts = [asdict(one.store) for one in self.outcomes if one.store is not None]
        return {name: sum(one[name] for one in counts) for name in (counts[0] if counts else {})}


def as_json(soak: Soak) -> dict[str, Any]:
    """The body of the JSON file."""
    return {
        "taken_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": os.cpu_count(),
        "seed": soak.seed,
        "minutes": soak.minutes,
        "faults": dict(soak.happened),
        "words": soak.sums(),
        "meetings": [{"name": one.fault.name, **one.figures()} for one in soak.outcomes],
        "idle_before": asdict(soak.before),
        "while_people_talk": [asdict(one) for one in soak.looks],
        "idle_after": asdict(soak.after),
        "open_recognizer_sessions": soak.open_sessions,
        "rooms_left": soak.rooms_left,
        "complaints": dict(soak.complaints),
        "broken": soak.broken,
    }


def write_json(soak: Soak, path: Path) -> None:
    """All figures."""
    path.write_text(json.dumps(as_json(soak), indent=2) + "\n")


def print_report(soak: Soak, console: Console) -> None:
    """The figures, a line each."""
    sums = soak.sums()
    console.print(f"seed {soak.seed}, {sum(soak.happened.values())} faults: {dict(soak.happened)}")
    console.print(f"{len(soak.outcomes)} meetings, words: {sums}", highlight=False)
    for name, one in (
        ("idle before", soak.before),
        *((f"minute {one.minute:.1f}", one) for one in soak.looks),
        ("idle after", soak.after),
    ):
        console.print(
            f"{name}: {_mb(one.pss_bytes)} MB PSS, {one.processes} processes, {one.threads} threads, "
            f"{one.files} files",
            highlight=False,
        )
    for sentence in soak.broken:
        console.print(f"[bold red]broken[/] {sentence}", highlight=False)


def _mb(size: int) -> int:
    return round(size / 1_000_000)
