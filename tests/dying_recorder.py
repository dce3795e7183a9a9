"""A job that dies while the store is away: records three items, sees them on disk, and is killed.

python -m tests.dying_recorder DATABASE_URL SPOOL_DIRECTORY
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from agent.pending import Pending
from agent.store.spool import Spool, new_head
from tests.contract.record import ADA, STARTED, segment, sums


async def main(folder: Path) -> None:
    """As the recorder does it, up to the moment of death."""
    pending = Pending(Spool(folder, new_head("room", "RM_1", STARTED), 10**8), 100)
    pending.opened(1, 1)
    for number in (2, 3, 4):
        pending.add(segment(f"word{number}", float(number)))
    pending.note_sums([sums(ADA)])
    assert await pending.spill()
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[2])))
