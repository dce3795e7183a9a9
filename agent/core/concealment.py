"""Which damage to a track's audio is a gap: what was made up, without the words that were recognized.

    damage    |..............|        |..............|      between two reports, or exactly a stall
    speech        #############    ################
    words         [one]  [two]         [one]      [three]
    gaps                                     |---|          speech near damage that is no word

Damage waits until the words of its span are settled: words win. Then there is a gap

    where speech was heard that touches the damage and no word covers it: a word is missing there;
    as long as the concealed audio where nothing says that it held no word: a stall, or many short pieces.

What is left of any and is shorter than `LEAST_GAP_SECONDS` hides no word and is not a gap.
"""

from __future__ import annotations

from collections import deque

from agent.core.model import Gap, Reason, Segment
from agent.core.reception import Damage
from agent.core.spans import Span, length, union, within, without
from agent.core.timeline import Timeline

LEAST_GAP_SECONDS = 0.3
LEAST_UNREAD_SECONDS = 0.2
"""Speech beside damage that no word covers: a torn word is shorter to the detector than it was."""
LEAST_IN_PIECES_SECONDS = 0.2
"""Short pieces that were made up are together enough to tear a word until nobody would take it for speech."""
REACH_SECONDS = 0.4
"""A word that damage has touched lies within this distance of it."""
TOUCH_SECONDS = 0.1
"""How exactly the place of damage is known."""
SPEECH_PROBABILITY = 0.3
"""Of the voice detector. Low, because torn words are hardly speech to it."""
ONSET_SECONDS = 0.1
"""The detector notices speech this long after it began."""
BREATH_SECONDS = 0.15
"""Speech goes on over a hole this short: concealment itself makes such holes."""
PLACED_SECONDS = 0.1
"""Damage whose span is longer than what is missing by no more than this is a stall: its place is known."""
LONGEST_WAIT_SECONDS = 180.0
"""Damage waits no longer for words, whatever happens; the ledger keeps audio for less time by default."""
KEPT_SECONDS = 30.0
"""Words and speech are remembered this long after they were settled: damage is reported later."""


class Concealment:
    """One track's damage. Damage, speech and items in; gaps out. Times are room time unless named samples."""

    def __init__(self, timeline: Timeline) -> None:
        """`timeline` is the track's, so that speech and words lie on the same clock."""
        self._timeline = timeline
        self._waiting: list[Damage] = []
        self._speech: deque[tuple[int, int]] = deque()
        """Samples: from, to."""
        self._covered: list[Span] = []
        """Words, and gaps that were already written."""

    @property
    def since(self) -> float | None:
        """Where the earliest damage begins that is not settled; None when all is."""
        return min((damage.start for damage in self._waiting), default=None)

    def damaged(self, damage: Damage) -> None:
        """The receiver has found damage."""
        if damage.end > damage.start:
            self._waiting.append(damage)

    def heard(self, first: int, last: int, probability: float) -> None:
        """Samples `first` to `last` of the track were judged by the voice detector."""
        if probability < SPEECH_PROBABILITY:
            return
        if self._speech and self._speech[-1][1] >= first:
            first = self._speech.pop()[0]
        self._speech.append((first, last))

    def written(self, item: Segment | Gap) -> None:
        """A final or a gap of this track was written."""
        if isinstance(item, Gap):
            self._cover(item.start, item.end)
        elif item.final:
            for word in item.words:
                self._cover(word.start, word.end)

    def settle(self, until: float, now: float) -> list[tuple[float, float, Reason]]:
        """The gaps (start, end, reason) that are certain.

        `until`: the track's watermark, before which no word will be added. `now`: room time.
        """
        ready = [one for one in self._waiting if _is_ready(one, until, now)]
        gaps = []
        if ready:
            self._waiting = [one for one in self._waiting if not _is_ready(one, until, now)]
            speech = self._speech_spans()
            for damage in sorted(ready, key=lambda one: one.start):
                gaps += self._gaps(damage, speech)
        self._forget(until)
        return sorted(gaps)

    def _gaps(self, damage: Damage, speech: list[Span]) -> list[tuple[float, float, Reason]]:
        stalled = self._unheard(damage)
        covered = union([*self._covered, *stalled])
        gaps = union([*stalled, *self._unread(damage, speech, covered)])
        self._covered += gaps
        return [(start / 1000, end / 1000, damage.reason) for start, end in gaps]

    def _unheard(self, damage: Damage) -> list[Span]:
        """As much of the damage as was made up, outside all words."""
        covered = union(self._covered)
        free = without([_span(damage.start, damage.end)], covered)
        if damage.seconds < LEAST_GAP_SECONDS:
            return self._in_pieces(damage, free, covered)
        if damage.end - damage.start - damage.seconds <= PLACED_SECONDS:
            return [part for part in free if _is_long(part)]
        left, found = round(damage.seconds * 1000), []
        for start, end in sorted(free, key=lambda part: part[0] - part[1]):
            size = min(end - start, left)
            middle = (start + end) // 2
            found.append((middle - size // 2, middle - size // 2 + size))
            left -= size
        return [part for part in found if _is_long(part)]

    def _in_pieces(self, damage: Damage, free: list[Span], covered: list[Span]) -> list[Span]:
        """Short pieces that tear a word between them, in the longest part where none was recognized."""
        if damage.in_pieces < LEAST_IN_PIECES_SECONDS or not free:
            return []
        start, end = max(free, key=lambda part: length([part]))
        if end - start < LEAST_IN_PIECES_SECONDS * 1000:
            return []
        inside = max((end - start - round(damage.in_pieces * 1000)) // 2, 0)
        return [part for part in [_widened((start + inside, end - inside), covered)] if _is_long(part)]

    def _unread(self, damage: Damage, speech: list[Span], covered: list[Span]) -> list[Span]:
        """Speech that the damage touches and no word covers."""
        near = within(speech, [_span(damage.start - REACH_SECONDS, damage.end + REACH_SECONDS)])
        touched = _span(damage.start - TOUCH_SECONDS, damage.end + TOUCH_SECONDS)
        free = without(near, covered)
        unread = [part for part in free if length([part]) >= LEAST_UNREAD_SECONDS * 1000]
        widened = [_widened(part, covered) for part in unread if within([part], [touched])]
        return [part for part in widened if _is_long(part)]

    def _speech_spans(self) -> list[Span]:
        """Where speech was heard; holes that concealment makes in it are speech."""
        found: list[Span] = []
        for first, last in self._speech:
            start = self._timeline.room_time(first) - ONSET_SECONDS
            span = _span(start, self._timeline.end_time(last))
            if found and span[0] - found[-1][1] <= BREATH_SECONDS * 1000:
                found[-1] = found[-1][0], max(found[-1][1], span[1])
            else:
                found.append(span)
        return found

    def _cover(self, start: float, end: float) -> None:
        self._covered.append(_span(start, end))

    def _forget(self, until: float) -> None:
        """Let go of what no damage can touch any more."""
        limit = (until if self.since is None else min(until, self.since)) - KEPT_SECONDS
        if self._covered and self._covered[0][1] < limit * 1000:
            self._covered = [one for one in self._covered if one[1] >= limit * 1000]
        while self._speech and self._timeline.end_time(self._speech[0][1]) < limit:
            self._speech.popleft()


def _is_ready(damage: Damage, until: float, now: float) -> bool:
    return damage.end + REACH_SECONDS <= until or now - damage.end >= LONGEST_WAIT_SECONDS


def _widened(part: Span, covered: list[Span]) -> Span:
    """A part, and as much of what is free around it as makes it `LEAST_GAP_SECONDS` long."""
    missing = max(round(LEAST_GAP_SECONDS * 1000) - length([part]), 0)
    around = without([(part[0] - missing, part[1] + missing)], covered)
    [(first, last)] = [one for one in around if one[0] <= part[0] and part[1] <= one[1]]
    start = max(first, part[0] - missing // 2)
    end = min(last, start + length([part]) + missing)
    return max(first, end - length([part]) - missing), end


def _is_long(part: Span) -> bool:
    return length([part]) >= LEAST_GAP_SECONDS * 1000


def _span(start: float, end: float) -> Span:
    return round(start * 1000), round(end * 1000)
