"""The figures of all jobs of a worker, also of those that are over, in files of bounded number.

prometheus_client keeps a few files for each process and reads them all when asked. A worker has a process for
each room, thousands in a week: so what a process that is gone has counted is added to one file of the gone.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
from prometheus_client.mmap_dict import MmapedDict

log = logging.getLogger(__name__)

FOLD_SECONDS = 5.0
GONE = "gone"
"""In place of the process's number in the names of the files that keep what all gone ones have counted."""
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


@asynccontextmanager
async def figures_folder() -> AsyncIterator[str]:
    """A folder for the jobs' figures, kept small while it is open; gone afterwards."""
    with TemporaryDirectory(prefix="transcriber-metrics-", ignore_cleanup_errors=True) as name:
        folding = asyncio.create_task(_keep_folding(Path(name)), name="metrics")
        try:
            yield name
        finally:
            folding.cancel()
            await asyncio.wait([folding])


async def _keep_folding(folder: Path) -> None:
    while True:
        await asyncio.sleep(FOLD_SECONDS)
        try:
            await asyncio.to_thread(fold, folder)
        except OSError as exc:
            log.warning("figures not added up", extra={"action": "figures_failed", "error": str(exc)})
