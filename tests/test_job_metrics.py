"""What jobs counted stays in the sums when they are gone, in files of bounded number."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, multiprocess

from agent.background.run_beside import Background, run_beside
from agent.job_metrics import fold, note_background
from tests.conftest import ROOT

JOB = """
import sys
from agent.metrics import ANSWER, GAPS, SENT, TRACKS
SENT.inc(float(sys.argv[1]))
GAPS.labels("stalled").inc(0.5)
ANSWER.observe(0.25)
TRACKS.inc()
print("counted", flush=True)
sys.stdin.read()
"""


def job(folder: Path, seconds: float) -> subprocess.Popen[str]:
    """A process that has counted, and lives until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", JOB, str(seconds)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder)},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "counted\n"
    return process


def figures(folder: Path) -> dict[str, float]:
    """As Prometheus would get them: sums over their labels."""
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry, str(folder))
    sums: dict[str, float] = {}
    for family in registry.collect():
        for sample in family.samples:
            if not sample.name.endswith("_bucket") or sample.labels["le"] == "0.3":
                sums[sample.name] = sums.get(sample.name, 0.0) + sample.value
    return sums


def test_sums_outlive_their_processes(tmp_path: Path) -> None:
    """Counters and histograms of the gone are in the sums, once; what they were doing is over."""
    for seconds in (1.0, 2.5, 4.0):
        with job(tmp_path, seconds):
            pass
        assert fold(tmp_path) == 3
        assert fold(tmp_path) == 0
    with job(tmp_path, 10.0):
        assert fold(tmp_path) == 0
        assert figures(tmp_path) == pytest.approx(
            {
                "transcriber_audio_sent_seconds_total": 17.5,
                "transcriber_gap_seconds_total": 2.0,
                "transcriber_answer_seconds_sum": 1.0,
                "transcriber_answer_seconds_count": 4.0,
                "transcriber_answer_seconds_bucket": 4.0,
                "transcriber_tracks": 1.0,
            }
            | {name: 0.0 for name, value in figures(tmp_path).items() if value == 0.0}
        )
    fold(tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["counter_gone.db", "histogram_gone.db"]
    assert figures(tmp_path)["transcriber_audio_sent_seconds_total"] == 17.5


async def test_the_worker_tells_how_its_own_tasks_are(tmp_path: Path) -> None:
    """Beside the figures of its jobs, which do not lose anything by it."""
    background, begun = Background(), asyncio.Event()

    async def broken() -> None:
        begun.set()
        raise OSError("the disk is full")

    async with run_beside(background, "spools", broken):
        await begun.wait()
        with job(tmp_path, 1.0):
            for _ in range(2):
                note_background(tmp_path, background)
        assert fold(tmp_path) == 3
    sums = figures(tmp_path)
    assert sums["transcriber_background_failing"] == 1
    assert sums["transcriber_background_failures_total"] == 1
    assert sums["transcriber_audio_sent_seconds_total"] == 1.0
