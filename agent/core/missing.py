"""How much of each speaker is missing, and how much of that never arrived.

What arrived and was given up is counted by the ledger (`Accounting.gap`). All that is missing is in gaps. So
what was not received is the rest of the gaps: each missing second is accounted for once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from agent.core.model import Accounting, Gap, Speaker
from agent.core.spans import Span, length, union

LEAST_SECONDS = 0.02
"""Samples and room time differ by less."""


class Missing:
    """The gaps of one session, by speaker."""

    def __init__(self) -> None:
        self._speakers: dict[str, Speaker] = {}
        self._spans: defaultdict[tuple[str, str], list[Span]] = defaultdict(list)
        """Identity and track sid -> where something is missing; what two gaps share counts once."""

    def note(self, gap: Gap) -> None:
        """One more gap of the record."""
        self._speakers[gap.speaker.identity] = gap.speaker
        key = gap.speaker.identity, gap.track_sid
        self._spans[key] = union([*self._spans[key], (round(gap.start * 1000), round(gap.end * 1000))])

    def seconds(self, identity: str) -> float:
        """All that is missing of one speaker."""
        return sum(length(spans) for (one, _), spans in self._spans.items() if one == identity) / 1000

    def account(self, sums: Iterable[Accounting]) -> Sequence[Accounting]:
        """The sums with what was not received; a speaker of whom nothing was heard has an entry, too."""
        known = {one.speaker.identity: one for one in sums}
        for identity, speaker in self._speakers.items():
            known.setdefault(identity, Accounting(speaker))
        return [
            replace(one, not_received=self._not_received(identity, one)) for identity, one in known.items()
        ]

    def _not_received(self, identity: str, sums: Accounting) -> float:
        rest = self.seconds(identity) - sums.gap
        return rest if rest >= LEAST_SECONDS else 0.0
