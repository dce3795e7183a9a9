"""The figures of all jobs of a worker, also of those that are over, in files of bounded number.

prometheus_client keeps a few files for each process and reads them all when asked. A worker has a process for
each room, thousands in a week: so what a process that is gone has counted is added to one file of the gone.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
from prometheus_client.mmap_dict import MmapedDict, mmap_key

from agent.background.run_beside import FAILING, Background, run_beside

FOLD_SECONDS = 5.0
GONE = "gone"
"""In place of the process's number in the names of the files that keep what all gone ones have counted."""
WORKER = "worker"
"""In place of the process's number in the names of the files of the worker's own tasks."""
FAILING_METRIC = "transcriber_background_failing"
FAILURES_METRIC = "transcriber_background_failures"
HELP = {
    FAILING_METRIC: "Tasks beside the worker that are failing or held up: 1 or 0.",
    FAILURES_METRIC: "Faults of tasks beside the worker, each of which began again.",
}
_FILE = re.compile(r"(?P<kind>counter|histogram|gauge_\w+)_(?P<pid>\d+)\.db")


def fold(folder: Path) -> int:
    """Add up what processes that are gone have counted; returns how many files went.

    What they were doing (gauges) is over with them.

    Raises:
        OSError: the folder cannot be read or written.
    """
    gone = 0
    for file in sorted(folder.glob("*.db")):
        parts = _FILE.fullmatch(file.name)
        if parts is None or psutil.pid_exists(int(parts["pid"])):
            continue
        if not parts["kind"].startswith("gauge"):
            _add(file, folder / f"{parts['kind']}_{GONE}.db")
        file.unlink()
        gone += 1
    return gone


def _add(source: Path, target: Path) -> None:
    sums = MmapedDict(str(target))
    try:
        for key, value, moment, _ in MmapedDict.read_all_values_from_file(str(source)):
            so_far, _ = sums.read_value(key)
            sums.write_value(key, so_far + value, moment)
    finally:
        sums.close()


def note_background(folder: Path, background: Background) -> None:
    """Write down how the worker's own tasks are: its process keeps no figures of its own in the folder.

    Raises:
        OSError: the folder cannot be written.
    """
    failing = {name: float(state == FAILING) for name, state in background.states().items()}
    _note(folder / f"gauge_livesum_{WORKER}.db", FAILING_METRIC, FAILING_METRIC, failing)
    _note(folder / f"counter_{WORKER}.db", FAILURES_METRIC, f"{FAILURES_METRIC}_total", background.failures())


def _note(file: Path, metric: str, sample: str, values: Mapping[str, float]) -> None:
    kept = MmapedDict(str(file))
    try:
        for task, value in values.items():
            kept.write_value(mmap_key(metric, sample, ["task"], [task], HELP[metric]), value, 0.0)
    finally:
        kept.close()


@asynccontextmanager
async def figures_folder(background: Background) -> AsyncIterator[str]:
    """A folder for the jobs' figures, kept small while it is open; gone afterwards."""
    with TemporaryDirectory(prefix="transcriber-metrics-", ignore_cleanup_errors=True) as name:
        async with run_beside(background, "figures", partial(_keep_folding, Path(name), background)):
            yield name


async def _keep_folding(folder: Path, background: Background) -> None:
    while True:
        await asyncio.sleep(FOLD_SECONDS)
        await asyncio.to_thread(fold, folder)
        await asyncio.to_thread(note_background, folder, background)
