"""Rows shared out to sites that run side by side, or alone; rows of one site take turns."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.errors import LocalPartError
from bench.faults.kinds import open_site
from bench.faults.play import play
from bench.faults.row import Fault, NotPossibleHere, Outcome
from bench.faults.site import Site

TURN_SECONDS: Final = 300.0
"""Talk of the rows that share a site, about: a site takes some seconds to start, and lanes end together."""
ALONE: Final = frozenset({"far host", "far voices", "far recognizer"})
"""Kinds of site whose network comes and goes: LiveKit's clients use every interface that the machine has."""

Say = Callable[[str], None]


def turns(faults: Sequence[Fault], lanes: int) -> list[list[Fault]]:
    """Parts of the work, each for one site: rows of one kind, long rows first, about equally long."""
    parts: list[list[Fault]] = []
    for kind in dict.fromkeys(fault.site for fault in faults):
        rows = sorted((one for one in faults if one.site == kind), key=lambda one: -one.talk_seconds)
        wanted = round(sum(one.talk_seconds for one in rows) / TURN_SECONDS)
        count = max(1, wanted, min(lanes, len(rows) // 2))
        shares: list[list[Fault]] = [[] for _ in range(count)]
        for row in rows:
            min(shares, key=lambda share: sum(one.talk_seconds for one in share)).append(row)
        parts += shares
    return sorted(parts, key=lambda part: -sum(one.talk_seconds for one in part))


def waves(parts: Sequence[list[Fault]]) -> list[list[list[Fault]]]:
    """What may be played side by side, then each part that wants the machine for itself."""
    beside = [part for part in parts if part[0].site not in ALONE]
    return [wave for wave in (beside, *([part] for part in parts if part[0].site in ALONE)) if wave]


@dataclass(slots=True)
class Lanes:
    """Plays rows, several at a time."""

    folder: Path
    count: int
    """Rows at a time."""
    say: Say
    _sites: int = 0

    async def play(self, faults: Sequence[Fault]) -> list[Outcome]:
        """The outcomes, in the order of `faults`."""
        outcomes: dict[str, Outcome] = {}
        waiting: deque[list[Fault]] = deque()

        async def lane() -> None:
            while waiting:
                await self._turn(waiting.popleft(), outcomes, len(faults))

        for wave in waves(turns(faults, self.count)):
            waiting.extend(wave)
            async with asyncio.TaskGroup() as group:
                for number in range(self.count):
                    group.create_task(lane(), name=f"lane {number}")
        return [outcomes[fault.name] for fault in faults]

    async def _turn(self, part: Sequence[Fault], outcomes: dict[str, Outcome], total: int) -> None:
        """Play the rows of one part on a site of their kind; a site that breaks is made anew."""
        left = deque(part)
        while left:
            self._sites += 1
            folder = self.folder / f"site-{self._sites}-{part[0].site}"
            folder.mkdir()
            try:
                async with AsyncExitStack() as stack:
                    site = await stack.enter_async_context(open_site(part[0].site, folder))
                    while left:
                        outcome = await self._row(site, left[0], folder)
                        left.popleft()
                        outcomes[outcome.fault.name] = outcome
                        self._report(outcome, len(outcomes), total)
                        if outcome.failure:
                            break  # whatever is left of this site is not to spoil the next row
            except NotPossibleHere as error:
                while left:
                    skipped = left.popleft()
                    outcomes[skipped.name] = Outcome(skipped, None, None, 0.0, None, skipped=str(error))
                    self._report(outcomes[skipped.name], len(outcomes), total)
            except (LocalPartError, OSError) as error:
                broken = left.popleft() if left else part[-1]
                outcomes[broken.name] = Outcome(broken, None, None, 0.0, None, failure=str(error))
                self._report(outcomes[broken.name], len(outcomes), total)

    async def _row(self, site: Site, fault: Fault, folder: Path) -> Outcome:
        self.say(f"{fault.name}: begins")
        number, own = _new_folder(folder, fault)
        return await play(site, fault, f"faults {number} {time.time():.0f}", own)

    def _report(self, outcome: Outcome, done: int, total: int) -> None:
        if outcome.skipped:
            what = f"not possible here: {outcome.skipped}"
        elif outcome.broken:
            what = "BROKEN: " + "; ".join([*outcome.broken, *outcome.lost_words[:5]])
        else:
            assert outcome.store is not None
            what = f"{outcome.store.once} of {outcome.store.said} words once"
        self.say(f"[{done}/{total}] {outcome.fault.name}: {what} ({outcome.took_seconds:.0f} s)")


def _new_folder(site: Path, fault: Fault) -> tuple[int, Path]:
    """The number of a row on its site, and the folder of its logs."""
    number = len(list(site.glob("row-*"))) + 1
    folder = site / f"row-{number}"
    folder.mkdir()
    (folder / "name").write_text(fault.name + "\n")
    return number, folder
