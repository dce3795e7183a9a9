"""Percentiles, and a row of the table with its bound. Pure."""

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


def spread(values: Sequence[float]) -> tuple[float, ...]:
    """p50 and p95; empty when there are no values."""
    return (percentile(values, 0.5), percentile(values, 0.95)) if values else ()


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    run: str
    """Name of the scenario, or "service"."""
    what: str
    unit: str
    values: tuple[float, ...]
    """One; or p50 and p95; or p50, p95 and the largest. Empty: there was nothing to measure."""
    bounds: tuple[float, ...] = ()
    """The most each value may be; fewer than values: the rest has none. Empty: no bound."""
    note: str = ""
    """What helps to read it; `what` is the same in every run, so that runs can be compared."""

    @property
    def within(self) -> bool | None:
        """None when there is no bound; False when there is one and nothing was measured."""
        if not self.bounds:
            return None
        pairs = list(zip(self.values, self.bounds, strict=False))
        return bool(pairs) and all(value <= bound for value, bound in pairs)
