"""What is written at the end of a row: in the record, and in the hands of a listener."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from agent.core.model import Segment
from agent.store.protocol import Store
from bench.faults.tally import Hole
from bench.words import WrittenWord, normalized
from local.listener import Listener


async def read_record(
    store: Store, room: str, sids: Iterable[str]
) -> tuple[list[WrittenWord], list[Hole], list[str]]:
    """Words, gaps (Unix times) and the speakers whose sums do not balance, of these lives of a room."""
    words: list[WrittenWord] = []
    holes: list[Hole] = []
    unbalanced: list[str] = []
    for sid in sids:
        info = await store.find_session(room, sid)
        if info is None:
            continue
        zero = datetime.fromisoformat(info.started_at).timestamp()
        words += final_words([one for _, one in await store.segments(sid)], zero)
        for _, gap in await store.gaps(sid):
            holes.append(Hole(gap.speaker.identity, zero + gap.start, zero + gap.end))
        unbalanced += [sums.speaker.label for sums in info.accounting if not sums.balanced]
    return words, holes, unbalanced


def received_words(listener: Listener) -> list[WrittenWord]:
    """The words of the finals that came as live messages; times are room times."""
    words: list[WrittenWord] = []
    for session in {message.envelope.session for message in listener.messages}:
        segments = [
            message.item
            for message in listener.messages
            if isinstance(message.item, Segment) and message.envelope.session == session
        ]
        words += final_words(segments, 0.0)
    return words


def final_words(segments: Iterable[Segment], zero: float) -> list[WrittenWord]:
    """The words of the last revision of every final of one session; `zero` is added to their times."""
    last: dict[str, Segment] = {}
    for segment in segments:
        known = last.get(segment.segment_id)
        if segment.final and (known is None or segment.revision >= known.revision):
            last[segment.segment_id] = segment
    return [
        WrittenWord(text, segment.speaker.identity, zero + word.start, zero + word.end)
        for segment in last.values()
        for word in segment.words
        for text in normalized(word.text)
    ]
