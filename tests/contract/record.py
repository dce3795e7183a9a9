"""Sample items of a record, and Hypothesis strategies for any of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from agent.clock import timestamp
from agent.core.model import (
    Accounting,
    End,
    Gap,
    Item,
    Reason,
    Segment,
    Speaker,
    State,
    Status,
    Turn,
    Window,
    Word,
)

ADA = Speaker("ada", "Ada Lovelace", "interviewer", "interviewer")
BOB = Speaker("bob", "Bob", "candidate", "candidate")

STARTED = "2026-11-25T10:00:00.250Z"
ENDED = "2026-11-25T10:30:00Z"


def segment(text: str = "hello there", start: float = 1.0, speaker: Speaker = ADA) -> Segment:
    """A final segment whose words take half a second each."""
    words = text.split()
    return Segment(
        segment_id=f"SG_{start}",
        revision=3,
        final=True,
        speaker=speaker,
        track_sid="TR_1",
        source="microphone",
        start=start,
        end=start + 0.5 * len(words),
        text=text,
        words=tuple(
            Word(word, start + 0.5 * place, start + 0.5 * (place + 1)) for place, word in enumerate(words)
        ),
        language="en",
        confidence=0.875,
    )


def window(window_id: int = 0, revision: int = 1, text: str = "hello there") -> Window:
    """A closed window of one turn."""
    start = window_id * 10.0
    return Window(
        window_id=window_id,
        revision=revision,
        start=start,
        end=start + 20.0,
        complete=False,
        pending=(BOB.label,),
        turns=(Turn(ADA, start + 1.0, start + 2.0, text),),
        words=len(text.split()),
        segments=1,
    )


def gap(start: float = 4.0) -> Gap:
    """Three seconds that nobody wrote down."""
    return Gap(BOB, "TR_2", start, start + 3.0, Reason.RECOGNIZER_UNREACHABLE)


def sums(speaker: Speaker = ADA, heard: float = 60.0) -> Accounting:
    """Balanced sums of one speaker."""
    return Accounting(speaker, heard, 12.5, 13.0, 9.5, 3.0, 0.5, 2, 0.25)


LISTENING = Status(State.LISTENING)
DEGRADED = Status(State.DEGRADED, Reason.RATE_LIMITED, BOB, "the recognizer asked to wait")
END = End(2, 4, 1, 1, STARTED, ENDED, (sums(ADA), sums(BOB)))
ONE_OF_EACH: tuple[Item, ...] = (segment(), window(), gap(), LISTENING, DEGRADED, END)

texts = st.text(st.characters(codec=None), max_size=30)
"""Any text at all: U+0000, lone surrogates, line separators, right to left marks."""

names = st.sampled_from([ADA, BOB]) | st.builds(Speaker, texts, texts, texts, texts)
times = st.floats(allow_nan=True, allow_infinity=True)
counts = st.integers(0, 2**62)
reasons = st.sampled_from(Reason)
accountings = st.builds(Accounting, names, times, times, times, times, times, times, counts)

segments = st.builds(
    Segment,
    texts,
    counts,
    st.just(True),
    names,
    texts,
    texts,
    times,
    times,
    texts,
    st.lists(st.builds(Word, texts, times, times), max_size=3).map(tuple),
    texts,
    st.none() | times,
)
windows = st.builds(
    Window,
    st.integers(-2, 3),
    st.integers(1, 4),
    times,
    times,
    st.booleans(),
    st.lists(texts, max_size=2).map(tuple),
    st.lists(st.builds(Turn, names, times, times, texts), max_size=3).map(tuple),
    counts,
    counts,
)
statuses = st.builds(Status, st.sampled_from(State), st.none() | reasons, st.none() | names, texts)
ends = st.builds(
    End, counts, counts, counts, counts, texts, texts, st.lists(accountings, max_size=2).map(tuple)
)
items: st.SearchStrategy[Item] = st.one_of(
    segments, windows, st.builds(Gap, names, texts, times, times, reasons), statuses, ends
)


def ended_ago(**ago: float) -> End:
    """The end of a session that is over for this long, like `hours=2`: couriers and retention look at it."""
    return replace(END, ended_at=timestamp(datetime.now(UTC) - timedelta(**ago)))


def later(item: Segment, seconds: float) -> Segment:
    """The same segment at another start."""
    return replace(item, start=seconds, segment_id=f"SG_{seconds}")
