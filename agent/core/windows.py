"""Segments and watermarks -> windows.

Window k covers `[k * hop, k * hop + size)` of room time, `hop = size - overlap`. A word belongs to a window
by the middle of its time, so with overlap 0 each word is in exactly one. A window closes when the watermark
(the earliest time at which somebody's speech may still change) passes its end, at the latest the allowed
lateness after its end, then with `complete` false; what comes later makes its next revision. Its words are
kept for that, as a revision always holds everything, until `KEPT_SECONDS` after nothing of it was awaited any
more: then it stays as it is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from agent.core.model import Segment, Speaker, Turn, Window, Word
from agent.core.words import count_words

NEAR = 0.002
"""Seconds by which windows of one grid may differ: times are rounded to milliseconds on the wire."""
KEPT_SECONDS = 600.0
"""Much longer than audio may wait for its answer."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Where windows lie: one of `size_seconds` begins every `size_seconds - overlap_seconds`."""

    size_seconds: float
    overlap_seconds: float

    def of_record(self, windows: Iterable[Window]) -> Grid:
        """The grid of these windows of one session; this one when they lie on it, or do not say.

        The settings may have changed since they were closed, and a window's id says where it lies.
        """
        grid = self
        for window in sorted(windows, key=lambda one: one.window_id):
            size = window.end - window.start
            if window.window_id > 0:
                overlap = size - window.start / window.window_id
            else:
                overlap = grid.overlap_seconds if grid.overlap_seconds < size else size / 2
            if not (abs(size - grid.size_seconds) < NEAR and abs(overlap - grid.overlap_seconds) < NEAR):
                grid = Grid(size, overlap)
        return grid if 0 <= grid.overlap_seconds < grid.size_seconds else self


class TranscriptLike(Protocol):
    """What `add_transcript` takes: a line of `AudioPipeline`, or anything of that shape."""

    @property
    def speaker(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def start_ms(self) -> int: ...
    @property
    def end_ms(self) -> int: ...
    @property
    def is_final(self) -> bool: ...


@dataclass(slots=True)
class _Share:
    """What one segment has in one window."""

    segment_id: str
    speaker: Speaker
    start: float
    end: float
    text: str


@dataclass(slots=True)
class _Content:
    """A window as it is now."""

    shares: list[_Share] = field(default_factory=list)
    revision: int = 0
    """That of the version which readers have, 0 when they have none."""
    changed: bool = False
    """It has words that readers do not have."""
    complete: bool = False
    """Readers were told that nothing is awaited."""


class TranscriptBuffer:
    """Windows of one session.

    The worker feeds it with `add` and `advance`. Alone (no watermark source) it is fed with
    `add_transcript` in order of time; then time moves with the transcripts, and `flush` closes the rest.
    """

    def __init__(
        self,
        window_size_seconds: float = 20.0,
        overlap_seconds: float = 10.0,
        min_transcripts_for_evaluation: int = 1,
        *,
        allowed_lateness_seconds: float = 10.0,
    ) -> None:
        """
        Raises:
            ValueError: the size is not positive, or the overlap is negative or not smaller than the size.
        """
        if not 0 <= overlap_seconds < window_size_seconds:
            raise ValueError("the overlap must be at least 0 and smaller than the window size")
        self._lie_on(Grid(window_size_seconds, overlap_seconds))
        self._lateness = allowed_lateness_seconds
        self._min_segments = min_transcripts_for_evaluation
        self._segments: deque[Segment] = deque()
        """Those whose windows may still change."""
        self._windows: dict[int, _Content] = {}
        self._unsettled: set[int] = set()
        self._watermark = float("-inf")
        self._first_kept = 0
        self._ready: deque[Window] = deque()
        self._lines = 0

    def add(self, segment: Segment) -> None:
        """Take in a final segment; interims and finals without text are no part of any window."""
        if not segment.final:
            return
        self._segments.append(segment)
        self._place(segment)

    def _place(self, segment: Segment) -> None:
        for word, text in pieces(segment):
            for k in self._windows_of(word.middle):
                self._put(k, segment, word, text)

    def restore(self, segments: Iterable[Segment], windows: Iterable[Window]) -> None:
        """Go on for a predecessor: `segments` are its finals, `windows` the last revisions that it closed.

        Windows that it did not close, or closed before it had all their words, close again with all of them.
        They lie on the predecessor's grid, and so do those that were closed here before this was known.
        """
        windows = list(windows)
        grid = self._grid.of_record(windows)
        if grid != self._grid:
            self._move_to(grid)
        for segment in segments:
            self.add(segment)
        for stored in windows:
            content = self._windows.setdefault(stored.window_id, _Content())
            if stored.revision < content.revision:
                continue  # readers have had a later one from us; it lacks at most what was added just now
            content.revision, content.complete = stored.revision, stored.complete
            content.changed = bool(content.shares) and _text(content) != stored.text
            if content.complete and not content.changed:
                self._unsettled.discard(stored.window_id)

    def _lie_on(self, grid: Grid) -> None:
        self._grid = grid
        self._size_us = round(grid.size_seconds * 1e6)
        self._hop_us = self._size_us - round(grid.overlap_seconds * 1e6)
        if self._hop_us <= 0:
            raise ValueError("the overlap must leave at least a microsecond of hop")

    def _move_to(self, grid: Grid) -> None:
        """Lay all words out anew. Windows that readers have got their next revision, be it an empty one."""
        self._lie_on(grid)
        read = {k: window.revision for k, window in self._windows.items() if window.revision}
        self._windows = {k: _Content(revision=revision, changed=True) for k, revision in read.items()}
        self._unsettled = set(read)
        if self._first_kept:
            self._first_kept = round((self._watermark - KEPT_SECONDS) * 1e6) // self._hop_us + 1
        for segment in self._segments:
            self._place(segment)

    def repeat(self, window_ids: Iterable[int]) -> None:
        """Let these close once more, as their next revision: the last one could not be kept."""
        for window_id in window_ids:
            content = self._windows.get(window_id)
            if content is not None and content.shares:
                content.changed = True
                self._unsettled.add(window_id)

    def advance(
        self, now: float, watermark: float, pending: Sequence[tuple[str, float]] = ()
    ) -> list[Window]:
        """Windows that close or change, in order, when time is `now` and the watermark `watermark`.

        `pending` are (label, room time from which that speaker's speech is unanswered).
        """
        self._watermark = max(self._watermark, watermark)
        closed = []
        for k in sorted(self._unsettled):
            window, end = self._windows[k], self._end(k)
            complete = end <= self._watermark
            news = window.changed or (complete and not window.complete)
            if news and (complete or now >= end + self._lateness):
                waiting = () if complete else tuple(label for label, since in pending if since < end)
                closed.append(self._close(k, window, complete, waiting))
        self._forget()
        return closed

    def _forget(self) -> None:
        """Let go of the words of windows that will not change any more."""
        until = self._watermark - KEPT_SECONDS
        for k in [k for k in self._windows if k not in self._unsettled and self._end(k) <= until]:
            del self._windows[k]
            self._first_kept = max(self._first_kept, k + 1)
        while self._segments and self._segments[0].end <= until:
            self._segments.popleft()

    def close(self) -> list[Window]:
        """Close every window as complete, in order: nobody's speech is awaited any more."""
        return [self._close(k, self._windows[k], True, ()) for k in sorted(self._unsettled)]

    def next_end(self) -> float | None:
        """Room time at which the earliest window that has yet to close (or to be completed) ends, or None."""
        return self._end(min(self._unsettled)) if self._unsettled else None

    def add_transcript(self, transcript: TranscriptLike) -> Window | None:
        """Take in a transcript of a source without a watermark; the oldest window that has closed, or None.

        A window closes when a transcript begins after its end. When one transcript closes several, the
        others come with the next calls and with `flush`.
        """
        if transcript.is_final:
            self._lines += 1
            self.add(_segment_of(transcript, self._lines))
            start = transcript.start_ms / 1000
            self._ready.extend(self._evaluable(self.advance(start, start)))
        return self._ready.popleft() if self._ready else None

    def flush(self) -> list[Window]:
        """Close what is open, in order: the end of the session. What is added later makes revisions."""
        self._ready.extend(self._evaluable(self.close()))
        rest = list(self._ready)
        self._ready.clear()
        return rest

    def _evaluable(self, windows: list[Window]) -> list[Window]:
        return [window for window in windows if window.segments >= self._min_segments]

    def _end(self, k: int) -> float:
        return (k * self._hop_us + self._size_us) / 1e6

    def _windows_of(self, moment: float) -> range:
        """Every k whose window holds `moment`; whole microseconds, so that no rounding can double a word."""
        moment_us = max(round(moment * 1e6), 0)
        first = (moment_us - self._size_us) // self._hop_us + 1
        return range(max(first, self._first_kept), moment_us // self._hop_us + 1)

    def _put(self, k: int, segment: Segment, word: Word, text: str) -> None:
        window = self._windows.setdefault(k, _Content())
        window.changed = True
        self._unsettled.add(k)
        share = window.shares[-1] if window.shares else None
        if share is None or share.segment_id != segment.segment_id:
            share = _Share(segment.segment_id, segment.speaker, word.start, word.end, "")
            window.shares.append(share)
        share.start = min(share.start, word.start)
        share.end = max(share.end, word.end)
        share.text += text

    def _close(self, k: int, window: _Content, complete: bool, pending: tuple[str, ...]) -> Window:
        window.revision += 1
        window.changed = False
        window.complete = complete
        if complete:
            self._unsettled.discard(k)
        return Window(
            window_id=k,
            revision=window.revision,
            start=k * self._hop_us / 1e6,
            end=self._end(k),
            complete=complete,
            pending=pending,
            turns=_turns(window.shares),
            words=sum(count_words(share.text) for share in window.shares),
            segments=len(window.shares),
        )


def pieces(segment: Segment) -> list[tuple[Word, str]]:
    """Each word of a segment with its text as it stands in the segment, what follows it included.

    So text cut between words keeps its own punctuation and blanks, also in scripts that write none.
    """
    if not segment.words:
        whole = Word(segment.text, segment.start, segment.end)
        return [(whole, segment.text + " ")] if segment.text.strip() else []
    starts: list[int] = []
    position = 0
    for word in segment.words:
        found = segment.text.find(word.text, position)
        if found < 0:
            return [(word, word.text + " ") for word in segment.words]
        starts.append(found)
        position = found + len(word.text)
    starts[0] = 0
    ends = [*starts[1:], len(segment.text)]
    return [
        (word, segment.text[start:end] if end < len(segment.text) else segment.text[start:] + " ")
        for word, start, end in zip(segment.words, starts, ends, strict=True)
    ]


def _turns(shares: Sequence[_Share]) -> tuple[Turn, ...]:
    """Shares in order of time; what one speaker says on end is one turn."""
    turns: list[Turn] = []
    for share in sorted(shares, key=lambda share: (share.start, share.segment_id)):
        text = share.text.strip()
        last = turns[-1] if turns else None
        if last and last.speaker.identity == share.speaker.identity:
            turns[-1] = Turn(share.speaker, last.start, max(last.end, share.end), f"{last.text} {text}")
        else:
            turns.append(Turn(share.speaker, share.start, share.end, text))
    return tuple(turns)


def _text(content: _Content) -> str:
    """As `Window.text` has it."""
    return "\n".join(f"{turn.speaker.label}: {turn.text}" for turn in _turns(content.shares))


def _segment_of(transcript: TranscriptLike, number: int) -> Segment:
    """A line as a segment, its words spread evenly over its time (the line carries no times of words)."""
    start, end = transcript.start_ms / 1000, transcript.end_ms / 1000
    parts = transcript.text.split()
    step = (end - start) / max(len(parts), 1)
    words = tuple(
        Word(part, start + step * index, start + step * (index + 1)) for index, part in enumerate(parts)
    )
    speaker = Speaker(identity=transcript.speaker, label=transcript.speaker)
    return Segment(
        segment_id=str(number),
        revision=1,
        final=True,
        speaker=speaker,
        track_sid="",
        source="",
        start=start,
        end=end,
        text=transcript.text.strip(),
        words=words,
    )
