"""What a transcriber leaves to its successor, and the gaps that the successor writes.

With each beat a transcriber keeps a mark of every track it hears: up to where its speech is settled (stored,
or silence). The successor writes a gap from there to its own first frame of that track, so whatever
the predecessor had heard and not stored is inside; what is stored behind the mark is cut out of it.
Somebody who was muted then and is muted now was silent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from agent.core.model import Gap, Reason, Segment, Speaker

Span = tuple[float, float]
"""From, to; room time."""

LEAST_GAP_SECONDS = 0.05
"""A frame's length: less is no gap."""
LEAST_HOLE_SECONDS = 0.8
"""Less between the words of two stored items hides no utterance: that has a pause of 0.35 s on either side.

More than the pre-roll, which is what usually lies between a mark and the first word stored after it.
"""
JOINING_SECONDS = 1.0
"""Whoever comes just before the first transcriber is heard as soon as one who comes just after: no gap."""


@dataclass(frozen=True, slots=True)
class Mark:
    """How far one track had come."""

    speaker: Speaker
    track_sid: str
    until: float
    """Room time before which all speech is settled."""
    muted: bool = False
    ended: float | None = None
    """Room time of its end, when answers of a track that is over are awaited."""
    lost: bool = False
    """Its participant's connection was lost: more is missing only if the participant comes back."""


@dataclass(frozen=True, slots=True)
class Marks:
    """Of all tracks, at one moment."""

    at: float
    """Room time."""
    tracks: tuple[Mark, ...] = ()


class Unheard:
    """What nobody has heard when a transcriber begins; it shrinks as people are heard again."""

    def __init__(
        self,
        marks: Marks | None,
        settled: Mapping[str, Sequence[Span]],
        present: Mapping[str, float],
        now: float,
    ) -> None:
        """
        `marks` are the predecessor's, None when there was none. `settled`: track sid -> where its stored
        segments and gaps lie. `present`: track sid -> when its participant joined, of the tracks that are in
        the room already. `now`: when this transcriber begins. All room time.
        """
        self._marks: dict[str, Mark] = {}
        self.holes: list[Gap] = []
        """What lies between the mark and what is stored behind it: answers may come out of order."""
        for mark in marks.tracks if marks is not None else ():
            until, holes = _passed(mark.until, settled.get(mark.track_sid, ()))
            self._marks[mark.track_sid] = replace(mark, until=until)
            self.holes += [
                Gap(mark.speaker, mark.track_sid, *hole, Reason.TRANSCRIBER_LOST) for hole in holes
            ]
        since = marks.at if marks is not None else 0.0
        least = 0.0 if marks is not None else JOINING_SECONDS
        here = {sid: max(joined, since, 0.0) for sid, joined in present.items()}
        self._present = {sid: joined for sid, joined in here.items() if now - joined >= least}
        self.began = now
        """Room time."""

    def begin(self, track_sid: str, identity: str, muted: bool) -> tuple[float, float | None] | None:
        """A track is received for the first time: the span (room time) of it that nobody has heard.

        The end is None when it lasts until the track's first frame. None: nothing is missing.
        """
        joined = self._present.pop(track_sid, None)
        mark = self._claim(track_sid, identity)
        since = joined if mark is None else mark.until
        if mark is not None and mark.muted and muted:
            since = None
        if since is None:
            return None
        if not muted:
            return since, None
        return (since, self.began) if self.began - since >= LEAST_GAP_SECONDS else None

    def gone(self, track_sid: str) -> None:
        """A track with a mark has ended before it was received: the same person's next one may go on."""
        if track_sid in self._marks:
            self._present.pop(track_sid, None)

    def begun(self, tracks: Iterable[tuple[str, Speaker]]) -> list[Gap]:
        """The gaps of tracks (sid, speaker) that are received since `began`: what was left was told late."""
        gaps = []
        for track_sid, speaker in tracks:
            missed = self.begin(track_sid, speaker.identity, muted=False)
            if missed is not None and self.began - missed[0] >= LEAST_GAP_SECONDS:
                gaps.append(Gap(speaker, track_sid, missed[0], self.began, Reason.TRANSCRIBER_LOST))
        return gaps

    def rest(self, *, everybody: bool = False) -> list[Gap]:
        """The gaps of those who have not come back; each once.

        Those whose track is in the room may still come, unless `everybody` is asked for.
        """
        gaps = []
        for sid, mark in tuple(self._marks.items()):
            if mark.lost or (sid in self._present and not everybody):
                continue
            del self._marks[sid]
            end = self.began if mark.ended is None else min(mark.ended, self.began)
            if not mark.muted and end - mark.until >= LEAST_GAP_SECONDS:
                gaps.append(Gap(mark.speaker, sid, mark.until, end, Reason.TRANSCRIBER_LOST))
        return gaps

    @property
    def marks(self) -> tuple[Mark, ...]:
        """Those that nobody has come back for: they go on to the next successor."""
        return tuple(self._marks.values())

    def _claim(self, track_sid: str, identity: str) -> Mark | None:
        """The mark of this track, or of one that the same person has published anew since."""
        if track_sid not in self._marks:
            gone = [
                sid
                for sid, mark in self._marks.items()
                if mark.speaker.identity == identity and mark.ended is None and sid not in self._present
            ]
            if not gone:
                return None
            track_sid = gone[0]
        return self._marks.pop(track_sid)


def stored_spans(items: Iterable[Segment | Gap]) -> dict[str, list[Span]]:
    """Track sid -> where its items lie."""
    spans: dict[str, list[Span]] = {}
    for item in items:
        spans.setdefault(item.track_sid, []).append((item.start, item.end))
    return spans


def _passed(until: float, stored: Sequence[Span]) -> tuple[float, list[Span]]:
    """Where the last of what is stored behind `until` ends, and what is left out before that."""
    holes = []
    for start, end in sorted(stored):
        if end > until and start - until >= LEAST_HOLE_SECONDS:
            holes.append((until, start))
        until = max(until, end)
    return until, holes
