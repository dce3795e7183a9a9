"""What a segment that comes late adds to those that are stored already.

When a transcriber was cut off from the store and a successor came, both heard the same people for a while.
What the successor has written down stands; of the predecessor's words only those are added that it lacks.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from agent.core.model import Segment
from agent.core.windows import pieces


def rest_of(late: Segment, stored: Iterable[Segment]) -> Segment | None:
    """`late` without the words whose middle is inside a stored segment of its track; None if none is left."""
    spans = [(one.start, one.end) for one in stored if one.track_sid == late.track_sid]
    parts = pieces(late)
    kept = [
        (word, text) for word, text in parts if not any(start <= word.middle <= end for start, end in spans)
    ]
    if len(kept) == len(parts):
        return late
    if not kept:
        return None
    return replace(
        late,
        start=kept[0][0].start,
        end=max(word.end for word, _ in kept),
        text="".join(text for _, text in kept).strip(),
        words=tuple(word for word, _ in kept),
    )
