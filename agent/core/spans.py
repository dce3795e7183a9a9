"""Sets of time as lists of spans: in order, apart from each other, none empty. Whole milliseconds."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

Span = tuple[int, int]
"""From, to; milliseconds."""


def union(spans: Iterable[Span]) -> list[Span]:
    """All the time that any of them covers; spans that touch are one."""
    found: list[Span] = []
    for start, end in sorted(spans):
        if end <= start:
            continue
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], end)
        else:
            found.append((start, end))
    return found


def length(spans: Iterable[Span]) -> int:
    """Milliseconds."""
    return sum(end - start for start, end in spans)


def within(spans: Sequence[Span], limits: Sequence[Span]) -> list[Span]:
    """What of `spans` lies inside `limits`."""
    found: list[Span] = []
    here = there = 0
    while here < len(spans) and there < len(limits):
        start = max(spans[here][0], limits[there][0])
        end = min(spans[here][1], limits[there][1])
        if start < end:
            found.append((start, end))
        if spans[here][1] <= limits[there][1]:
            here += 1
        else:
            there += 1
    return found


def without(spans: Sequence[Span], holes: Sequence[Span]) -> list[Span]:
    """What of `spans` lies outside `holes`."""
    if not spans:
        return []
    first, last = spans[0][0], spans[-1][1]
    edges = [(first, first), *within([(first, last)], holes), (last, last)]
    free = [(before[1], after[0]) for before, after in itertools.pairwise(edges)]
    return within(spans, union(free))


def shared(sets: Iterable[Sequence[Span]]) -> list[Span]:
    """The time that at least two of the sets cover."""
    edges = sorted((at, step) for one in sets for span in one for at, step in zip(span, (1, -1), strict=True))
    found: list[Span] = []
    depth, since = 0, 0
    for at, step in edges:
        if depth == 1 and step == 1:
            since = at
        elif depth == 2 and step == -1:
            found.append((since, at))
        depth += step
    return union(found)
