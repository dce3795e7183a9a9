"""A row of the table: a fault, its bounds, and what came of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from agent.errors import LocalPartError
from bench.faults.tally import Tally

if TYPE_CHECKING:
    from bench.faults.scene import Scene


MOST_GAP_OVER_WORDS_SECONDS = 1.0
"""A gap over a word that is written is false: more than this breaks any row."""


@dataclass(frozen=True, slots=True)
class Disturbance:
    """When a fault was there; Unix times."""

    began: float
    over: float
    """From when on the program can be well again; equals `began` when a fault only lasts a moment."""


Act = Callable[["Scene"], Awaitable[Disturbance]]
"""Injects a fault while people talk, and returns when it is over.

Raises:
    FaultAbsent: the fault could not be made to happen; a row without its fault proves nothing.
    LocalPartError: something did not come back after it.
"""


class NotPossibleHere(LocalPartError):
    """This machine cannot do what a row needs; the table says so."""


class FaultAbsent(LocalPartError):
    """The fault did not happen."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One row."""

    name: str
    site: str
    """Kind of site it needs (`site.KINDS`); rows of one kind take turns on one site."""
    act: Act
    most_gap_seconds: float | None = None
    """Bound of the missing time of one speaker; None: as long as the fault lasts, told by a gap."""
    most_recover_seconds: float | None = None
    """Bound of the time from the fault's end to new text; None: none."""
    most_told_seconds: float | None = None
    """Bound of the time from the fault's beginning to a status of trouble; None: none need come."""
    most_paid_share: float | None = None
    """Bound of the seconds sent to the recognizer for each second of speech; None: none."""
    down_is_missing: bool = False
    """True: what a voice says while its own connection is down has to be in a gap."""
    late_seconds: float = 0.0
    """How late the row's link may deliver what a voice says; words are looked for in gaps that much later."""
    talk_seconds: float = 60.0
    """Speech made ready for each voice: more than the row takes."""
    patience_seconds: float = 30.0
    """How long after the fault's end new text is awaited."""
    worker_first: bool = True
    """False: the room is made, and people talk, while no worker runs."""
    workers: int = 1
    """Running when the row begins."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a row."""

    fault: Fault
    store: Tally | None
    """Words against the record; None when the row broke off."""
    live: Tally | None
    """Words against what a listener in the room received."""
    gap_seconds: float
    recover_seconds: float | None
    """None: no new text came."""
    told_seconds: float | None = None
    """From the fault's beginning to the first status of trouble; None: there was none."""
    gap_over_words_seconds: float = 0.0
    """How long gaps lie over words that are written, of the speaker for whom that is worst."""
    paid_share: float = 0.0
    """Seconds sent to the recognizer for each second of speech, of the speaker for whom that is worst."""
    still_troubled: tuple[str, ...] = ()
    """Whom the last status before the end of the meeting takes for troubled."""
    torn: int = 0
    """Words that were cut off, said in nobody's hearing, or had a hole in their sound at the speaker."""
    asked: int = 0
    """Segments that the listener missed and got by asking for history."""
    unbalanced: tuple[str, ...] = ()
    """Speakers whose sums do not balance in the record at the end."""
    closed: bool = True
    """The session was closed in the store."""
    took_seconds: float = 0.0
    waited_share: float | None = None
    """Share of the row's time in which something on the machine waited for a processor; None: not known."""
    failure: str = ""
    """Why the row broke off; empty when it did not."""
    skipped: str = ""
    """Why this machine cannot do it; empty when it did."""
    latest_seconds: float = 0.0
    """How late a voice handed over a frame at most: above 0.3 the sound itself had a hole."""
    lost_words: tuple[str, ...] = field(default=())
    """For whoever looks for the cause: what was lost, doubled or wrong, with speaker and time."""

    @property
    def broken(self) -> list[str]:
        """The bounds it breaks, a sentence each; empty is good."""
        if self.skipped:
            return []
        if self.failure or self.store is None or self.live is None:
            return [self.failure or "the row broke off"]
        return [*self._broken_counts(self.store, self.live), *self._broken_times()]

    def figures(self) -> dict[str, Any]:
        """What the JSON files of the table and of the soak both tell."""
        return {
            "record": None if self.store is None else asdict(self.store),
            "received": None if self.live is None else asdict(self.live),
            "gap_seconds": round(self.gap_seconds, 3),
            "gap_over_words_seconds": round(self.gap_over_words_seconds, 3),
            "paid_share": round(self.paid_share, 3),
            "machine_full_share": None if self.waited_share is None else round(self.waited_share, 3),
            "voice_late_seconds": round(self.latest_seconds, 3),
            "lost_words": list(self.lost_words),
            "broken": self.broken,
        }

    def _broken_counts(self, store: Tally, live: Tally) -> list[str]:
        counts = {
            "lost without a gap": store.lost,
            "doubled": store.doubled,
            "wrong speaker": store.wrong_speaker,
            "invented": store.invented,
            "doubled in the room": live.doubled,
            "wrong speaker in the room": live.wrong_speaker,
            "written, but not received in the room": max(0, store.once - live.once),
            "nothing said at all": int(store.said == 0),
        }
        if self.fault.most_gap_seconds == 0:
            counts["in a gap, where nothing may be missing"] = store.in_gaps
        broken = [f"{what}: {count}" for what, count in counts.items() if count]
        if self.unbalanced:
            broken.append(f"the sums do not balance: {', '.join(self.unbalanced)}")
        if self.still_troubled:
            broken.append(f"the room still takes for troubled: {', '.join(self.still_troubled)}")
        if not self.closed:
            broken.append("the session was not closed in the store")
        return broken

    def _broken_times(self) -> list[str]:
        broken = []
        fault = self.fault
        if self.recover_seconds is None:
            broken.append(f"no new text within {fault.patience_seconds:g} s")
        elif fault.most_recover_seconds is not None and self.recover_seconds > fault.most_recover_seconds:
            broken.append(
                f"recovered after {self.recover_seconds:.1f} s, {fault.most_recover_seconds:g} allowed"
            )
        if fault.most_told_seconds is not None and not (
            self.told_seconds is not None and self.told_seconds <= fault.most_told_seconds
        ):
            after = "never" if self.told_seconds is None else f"after {self.told_seconds:.1f} s"
            broken.append(f"the room was told {after}, {fault.most_told_seconds:g} s allowed")
        if fault.most_gap_seconds is not None and self.gap_seconds > fault.most_gap_seconds + 1e-6:
            broken.append(f"gap of {self.gap_seconds:.1f} s, {fault.most_gap_seconds:g} allowed")
        if self.gap_over_words_seconds > MOST_GAP_OVER_WORDS_SECONDS:
            broken.append(f"{self.gap_over_words_seconds:.1f} s of gap over words that are written")
        if fault.most_paid_share is not None and self.paid_share > fault.most_paid_share:
            broken.append(f"{self.paid_share:.2f} s paid for each second, {fault.most_paid_share:g} allowed")
        return broken
