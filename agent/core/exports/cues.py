"""Segments and gaps -> cues that can be read as they are shown: two lines of 42 columns, seven seconds.

A cue holds words of one segment. It ends when it is full, when the next word would keep it longer than seven
seconds or comes after a pause, and at the end of a sentence when it is more than half full. It is shown from
its first word to the end of its last one, at least a second if the speaker's next cue leaves that much.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from agent.core.exports.fragments import Fragment, fragments
from agent.core.exports.plain import gap_note, label_of
from agent.core.exports.record import Record
from agent.core.model import Gap, Segment

LINE_COLUMNS = 42
LONGEST_MS = 7000
SHORTEST_MS = 1000
PAUSE_MS = 2000
"""Words after such a pause would be read long before they are said."""
_SENTENCE_ENDS = tuple(".?!…。？！؟।")


@dataclass(frozen=True, slots=True)
class Cue:
    """What is shown together."""

    label: str
    """The speaker's."""
    start_ms: int
    end_ms: int
    """After `start_ms`, at most seven seconds after it."""
    lines: tuple[str, ...]
    """One or two; the first may be empty when the lead has its line for itself."""

    @property
    def text(self) -> str:
        """The lines as one."""
        return " ".join(line for line in self.lines if line)


def cues(record: Record, lead_columns: Callable[[str], int] = lambda label: 0) -> list[Cue]:
    """The cues of a record in order of start.

    `lead_columns` says for a label how much of a cue's first line is taken by what is written before the
    text; at most `LINE_COLUMNS`.
    """
    found = [
        cue
        for _, entry in record.entries
        for cue in _cues_of(_shown(entry), label_of(entry.speaker), lead_columns)
    ]
    return _timed(sorted(found, key=lambda cue: cue.start_ms))


def _shown(entry: Segment | Gap) -> Segment:
    """A gap is told at its beginning, for as long as a cue may be shown."""
    if isinstance(entry, Segment):
        return entry
    end = min(entry.end, entry.start + LONGEST_MS / 1000)
    return Segment("", 1, True, entry.speaker, "", "", entry.start, end, gap_note(entry))


def _cues_of(segment: Segment, label: str, lead_columns: Callable[[str], int]) -> Iterator[Cue]:
    found = fragments(segment, LINE_COLUMNS)
    lead = lead_columns(label) if found else 0
    begin = 0
    page = _Page(lead)
    for place, fragment in enumerate(found):
        if place > begin and not page.takes(fragment):
            yield _cue(label, found[begin:place], lead)
            begin, page = place, _Page(lead)
        page.add(fragment)
    if found:
        yield _cue(label, found[begin:], lead)


@dataclass(slots=True)
class _Page:
    """Where the next fragment of a cue goes."""

    used: int
    """Columns of the line that is being filled."""
    second: bool = False
    """It is the second line."""
    start_ms: int | None = None
    last: Fragment | None = None

    def takes(self, fragment: Fragment) -> bool:
        """True when the fragment may be in the same cue as those before it."""
        if self.last is None or self.start_ms is None:
            return True
        if fragment.end_ms - self.start_ms > LONGEST_MS or fragment.start_ms - self.last.end_ms >= PAUSE_MS:
            return False
        if self.second and self.last.text.endswith(_SENTENCE_ENDS) and not fragment.glued:
            return False
        return not self.second or self._after(fragment) <= LINE_COLUMNS

    def add(self, fragment: Fragment) -> None:
        """Put it there."""
        after = self._after(fragment)
        if after > LINE_COLUMNS:
            self.second, after = True, fragment.columns
        self.used, self.last = after, fragment
        if self.start_ms is None:
            self.start_ms = fragment.start_ms

    def _after(self, fragment: Fragment) -> int:
        blank = self.used > 0 and not (fragment.glued and self.last)
        return self.used + blank + fragment.columns


def _cue(label: str, found: Sequence[Fragment], lead: int) -> Cue:
    end_ms = max(fragment.end_ms for fragment in found)
    return Cue(label, found[0].start_ms, end_ms, _lines(found, lead))


def _lines(found: Sequence[Fragment], lead: int) -> tuple[str, ...]:
    """In one line if it fits, else in two of much the same length."""
    gaps = [0, *(int(not fragment.glued) for fragment in found[1:])]
    ends, total = [], 0
    for gap, fragment in zip(gaps, found, strict=True):
        total += gap + fragment.columns
        ends.append(total)
    room = lead + 1 if lead else 0
    if room + total <= LINE_COLUMNS:
        return (_joined(found),)
    best, at = 10**9, 0
    for place in range(0 if lead else 1, len(found)):
        first = room + ends[place - 1] if place else lead
        second = total - (ends[place - 1] + gaps[place] if place else 0)
        if max(first, second) > LINE_COLUMNS:
            continue
        # a line of digits alone is taken for the next cue's number by some readers
        cost = abs(first - second) + 20 * found[place].glued + 40 * _joined(found[place:]).isdigit()
        if cost < best:
            best, at = cost, place
    return _joined(found[:at]), _joined(found[at:])


def _joined(found: Sequence[Fragment]) -> str:
    return "".join(
        fragment.text if fragment.glued or place == 0 else f" {fragment.text}"
        for place, fragment in enumerate(found)
    )


def _timed(found: Sequence[Cue]) -> list[Cue]:
    """Each shown long enough to be read and no longer than seven seconds."""
    following: dict[str, int] = {}
    timed: list[Cue] = []
    for cue in reversed(found):
        free = following.get(cue.label, cue.start_ms + SHORTEST_MS)
        end = max(cue.end_ms, min(cue.start_ms + SHORTEST_MS, free), cue.start_ms + 1)
        timed.append(replace(cue, end_ms=min(end, cue.start_ms + LONGEST_MS)))
        following[cue.label] = cue.start_ms
    timed.reverse()
    return timed
