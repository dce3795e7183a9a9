"""From what was measured to the rows of the table, with the bounds of the design's section 11. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` (0..1) of `values` lie, between neighbours in proportion.

    Raises:
        ValueError: no values, or a share outside 0..1.
    """
    if not values or not 0 <= share <= 1:
        raise ValueError("a percentile needs values and a share of 0 to 1")
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    run: str
    """Name of the scenario, or "service"."""
    what: str
    unit: str
    values: tuple[float, ...]
    """One, or p50 and p95, or p50, p95 and the largest."""
    bounds: tuple[float, ...] = ()
    """The most each value may be; fewer than values: the rest has none."""
    note: str = ""

    @property
    def within(self) -> bool | None:
        """None when there is no bound."""
        if not self.bounds:
            return None
        pairs = zip(self.values, self.bounds, strict=False)
        return all(value <= bound + 1e-9 for value, bound in pairs)


@dataclass(frozen=True, slots=True)
class Bounds:
    """Those of the design that depend on the run."""

    final: tuple[float, float]
    """Sentence end -> final, p50 and p95, seconds."""
    first_text: tuple[float, float]
    """Word end -> first text, p50 and p95, seconds."""
    sent_per_speech: float
    """Recognizer seconds per second of speech."""
    cpu_over_floor: float
    pss_idle_mb: float = 300.0
    pss_room_mb: float = 30.0
    word_time_seconds: float = 0.15
    service_start_seconds: float = 2.0
    room_creation_seconds: float = 0.5
    token_seconds: float = 0.1


def bounds_of(run: str) -> Bounds:
    """The bounds for a scenario, by its name."""
    if run == "4x2":
        return Bounds((0.65, 0.80), (0.14, 0.27), 1.20, 2.2)
    if run == "quiet":
        return Bounds((0.60, 0.75), (0.11, 0.24), 1.4, 2.2)
    return Bounds((0.60, 0.75), (0.11, 0.24), 1.20, 2.2)


def spread(values: Sequence[float], *, largest: bool = False) -> tuple[float, ...]:
    """p50 and p95, and the largest if asked; empty when there are no values."""
    if not values:
        return ()
    spread_ = (percentile(values, 0.5), percentile(values, 0.95))
    return (*spread_, max(values)) if largest else spread_
