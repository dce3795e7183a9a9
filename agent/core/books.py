"""The sums of a session: every speaker's audio over all tracks, an earlier transcriber's included."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from agent.core.model import Accounting


class Books:
    """Sums per speaker; tracks that are over are kept as sums, those that run are asked each time."""

    def __init__(self) -> None:
        self._closed: dict[str, Accounting] = {}

    def take_over(self, earlier: Iterable[Accounting]) -> None:
        """`earlier` are the sums that a predecessor of this session has kept, or of a track that failed.

        Speech for which an answer was still awaited died with it: that is a gap now, like the one that is
        written from the last stored word on.
        """
        for one in earlier:
            self.close(_without_open(one))

    def close(self, sums: Accounting) -> None:
        """A track is over: its sums stay."""
        self._closed = add(self._closed, sums)

    def sums(self, running: Sequence[Accounting] = ()) -> list[Accounting]:
        """One entry a speaker, in order of first appearance; `running` are the tracks that are not over."""
        total = self._closed
        for one in running:
            total = add(total, one)
        return list(total.values())


def _without_open(sums: Accounting) -> Accounting:
    """What was neither answered nor given up is a gap: the sums balance."""
    gap = min(max(sums.gap, sums.speech - sums.answered), sums.speech)
    return replace(sums, gap=gap, answered=sums.speech - gap)


def add(sums: dict[str, Accounting], one: Accounting) -> dict[str, Accounting]:
    """`sums` (by identity) with `one` added to its speaker's."""
    known = sums.get(one.speaker.identity)
    if known is None:
        return {**sums, one.speaker.identity: one}
    total = replace(
        known,
        heard=known.heard + one.heard,
        speech=known.speech + one.speech,
        sent=known.sent + one.sent,
        answered=known.answered + one.answered,
        gap=known.gap + one.gap,
        replayed=known.replayed + one.replayed,
        reconnects=known.reconnects + one.reconnects,
        wordless=known.wordless + one.wordless,
    )
    return {**sums, one.speaker.identity: total}
