"""The record of a meeting as the store has it, held against what was said."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from agent.core.model import End, Gap, Reason, Segment, Status, Word
from local.marked_speech import WORD_SECONDS
from tests.integration.meeting import WORD_TIME_TOLERANCE, Meeting

HALF_SECOND = 0.7
"""A gap so short, with the delays of asking, says that somewhere in it some packets were lost."""

LOOK_SECONDS = 0.7
"""So much before a connection was lost the counters were asked the last time, with the delays of asking."""


@dataclass(frozen=True, slots=True)
class Record:
    """Everything that one session has stored so far."""

    segments: list[Segment]
    gaps: list[Gap]
    statuses: list[Status]
    ends: list[End]

    @property
    def words(self) -> dict[str, Word]:
        """Words by their text; of one that is there twice the last."""
        return {word.text: word for segment in self.segments for word in segment.words}

    @property
    def breaks(self) -> list[Gap]:
        """The gaps but for those before the transcriber heard somebody for the first time."""
        return [one for one in self.gaps if one.reason is not Reason.TRANSCRIBER_LOST]

    @property
    def texts(self) -> list[str]:
        """All words in order of storing, doubles included."""
        return [word.text for segment in self.segments for word in segment.words]


async def record_of(room: Meeting) -> Record:
    """What the store has now of the meeting's newest session; nothing before there is one."""
    info = await room.store.find_session(room.room)
    items = [one.item for one in await room.store.items(info.session)] if info else []
    return Record(
        segments=[one for one in items if isinstance(one, Segment)],
        gaps=[one for one in items if isinstance(one, Gap)],
        statuses=[one for one in items if isinstance(one, Status)],
        ends=[one for one in items if isinstance(one, End)],
    )


async def recorded(room: Meeting, holds: Callable[[Record], object], *, timeout: float) -> Record:
    """The record once it `holds`; asks the store again and again.

    Raises:
        TimeoutError: it did not within `timeout` seconds; tells what is there.
    """
    record = await record_of(room)
    try:
        async with asyncio.timeout(timeout):
            while not holds(record):
                await asyncio.sleep(0.1)
                record = await record_of(room)
    except TimeoutError as error:
        told = [f"{word.start:.2f} {word.text}" for word in record.words.values()]
        said = [f"{at:.2f} {text}" for text, (_, at) in room.said.words.items()]
        raise TimeoutError(
            f"words {told}; said {said}; gaps {record.gaps}; statuses {record.statuses}"
        ) from error
    return record


def surely_after(gap: Gap, tolerance: float) -> float:
    """When something is missing for certain: a lost connection is known at the last look at the counters."""
    return gap.start + (LOOK_SECONDS if gap.reason is Reason.CONNECTION_LOST else tolerance)


def check_account(room: Meeting, record: Record, tolerance: float = WORD_TIME_TOLERANCE) -> list[str]:
    """Every word is written once, by its speaker and at its time, or lies in a gap of its speaker.

    Nor does a gap say that something is missing which was written, or say it twice. Returns the words that
    are in gaps. `tolerance`: seconds, of word times and of both ends of a gap.
    """
    assert sorted(record.texts) == sorted(record.words), "doubled"
    speakers = {word.text: one.speaker.identity for one in record.segments for word in one.words}
    assert set(record.words) <= set(room.said.words), "never said"
    missing = []
    for text, (identity, said_at) in room.said.words.items():
        gaps = [one for one in record.gaps if one.speaker.identity == identity]
        if text in record.words:
            start = record.words[text].start
            assert speakers[text] == identity, text
            assert abs(start - said_at) <= tolerance, (text, start - said_at)
            middle = said_at + WORD_SECONDS / 2
            untrue = [one for one in gaps if surely_after(one, tolerance) < middle < one.end - tolerance]
            assert all(one.end - one.start < HALF_SECOND for one in untrue), (text, untrue)
        else:
            missing.append(text)
            inside = [
                one
                for one in gaps
                if one.start < said_at + WORD_SECONDS + tolerance and one.end > said_at - tolerance
            ]
            told = f"gaps {gaps}, published {room.said.publishers}"
            assert inside, f"{text}, said at {said_at:.2f}, is silently missing; {told}"
    for identity in {one.speaker.identity for one in record.gaps}:
        ordered = sorted((one.start, one.end) for one in record.gaps if one.speaker.identity == identity)
        assert all(first[1] <= second[0] + 0.01 for first, second in pairwise(ordered)), ordered
    return missing
