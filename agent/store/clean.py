"""Values made fit for every database: the two exceptions that `agent.store.protocol` names."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from typing import Any, TypeVar, cast

from agent.core.model import Segment
from agent.core.text import clean_text
from agent.store.protocol import Stored

T = TypeVar("T")


def clean(value: T) -> T:
    """The same value; a copy when some text or number deep inside it had to change."""
    result: Any = value
    match value:
        case Enum():
            pass
        case str():
            result = clean_text(value)
        case float():
            result = value if math.isfinite(value) else 0.0
        case tuple():
            result = tuple(clean(part) for part in value)
        case Segment(confidence=float() as confidence) if not math.isfinite(confidence):
            result = clean(replace(value, confidence=None))
        case _ if is_dataclass(value) and not isinstance(value, type):
            changes = {}
            for one in fields(value):
                old = getattr(value, one.name)
                new = clean(old)
                if new is not old and new != old:
                    changes[one.name] = new
            result = replace(value, **changes) if changes else value
    return cast(T, result)


def check_items(items: Sequence[Stored]) -> None:
    """Refuse what can only be a fault in our code.

    Raises:
        ValueError: a seq below 1, or an interim segment.
    """
    for stored in items:
        if stored.seq < 1:
            raise ValueError(f"seq begins at 1, got {stored.seq}")
        if isinstance(stored.item, Segment) and not stored.item.final:
            raise ValueError(f"segment {stored.item.segment_id!r} is an interim; only finals are stored")
