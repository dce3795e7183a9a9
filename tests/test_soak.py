"""The pure parts of `make soak`: chance from a seed, what breaks a run, what logs complain of."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from bench.faults.row import Disturbance, Fault, Outcome
from bench.faults.scene import Scene
from bench.faults.tally import Tally
from bench.soak.looks import Look, complaints
from bench.soak.report import Soak, as_json
from bench.soak.storm import ROOM_FAULTS, SITE_FAULTS


async def _nothing(_: Scene) -> Disturbance:
    return Disturbance(0.0, 0.0)


GOOD = Tally(said=9, once=9, doubled=0, lost=0, in_gaps=0, wrong_speaker=0, invented=0)
OUTCOME = Outcome(Fault("a meeting", "soak", _nothing), GOOD, GOOD, 0.0, 0.5)
IDLE = Look(-1.0, 300_000_000, processes=8, threads=90, files=200)
SOAK = Soak(
    seed=7,
    minutes=30.0,
    happened=Counter({"job killed": 2}),
    failures=(),
    outcomes=(OUTCOME, OUTCOME),
    before=IDLE,
    looks=(replace(IDLE, minute=2.0),),
    after=replace(IDLE, minute=30.0),
    open_sessions=0,
    rooms_left=0,
    complaints={},
)


def test_a_good_run_breaks_nothing() -> None:
    """And its figures add up."""
    assert SOAK.broken == []
    assert SOAK.sums()["once"] == 18
    assert as_json(SOAK)["seed"] == 7


@pytest.mark.parametrize(
    "change",
    [
        {"after": replace(IDLE, processes=9)},
        {"after": replace(IDLE, files=240)},
        {"after": replace(IDLE, threads=110)},
        {"after": replace(IDLE, pss_bytes=400_000_000)},
        {"open_sessions": 1},
        {"rooms_left": 1},
        {"complaints": {"Task was destroyed": 1}},
        {"outcomes": ()},
        {"outcomes": (replace(OUTCOME, unbalanced=("candidate",)),)},
        {"failures": ("worker 2 still runs",)},
    ],
)
def test_whatever_leaks_or_is_lost_breaks_the_run(change: dict[str, object]) -> None:
    """Processes, files, threads, memory, sessions, rooms, tasks, sums, workers."""
    assert len(replace(SOAK, **change).broken) == 1  # type: ignore[arg-type]


def test_faults_have_names_of_their_own() -> None:
    """They are counted by name."""
    names = [one.name for one in (*ROOM_FAULTS, *SITE_FAULTS)]
    assert len(set(names)) == len(names)


def test_complaints_are_found_in_logs(tmp_path: Path) -> None:
    """Each with how often it came; what never came is not there."""
    log = tmp_path / "worker.log"
    log.write_text('{"action": "books_unbalanced"}\nTask was destroyed but it is pending!\nall is well\n' * 2)
    assert complaints([log]) == {'"action": "books_unbalanced"': 2, "Task was destroyed": 2}
