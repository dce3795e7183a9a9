"""What was handed to the open recognizer session and has not left this host yet.

On a link slower than speech, bytes leave late. Audio beyond `MOST_SECONDS` is therefore kept back in the
ledger, where it can still be dropped, and the wait for an answer begins when the commit has left. A session
that cannot report what has left is taken to send everything at once.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from agent.core.model import SAMPLE_RATE

MOST_SECONDS = 2.0
"""Audio that may be under way at once: with a round trip of 0.3 s, six times real time."""
SLOW_SECONDS = 2.5
"""The link is slow when a part takes this long to leave (`MOST_SECONDS` at 0.8 times real time)."""
CAUGHT_UP_SECONDS = 1.0
"""The link has caught up when nothing waits for longer than this."""


@dataclass(frozen=True, slots=True)
class _Handed:
    samples: int
    """Samples handed over on the session, this part included."""
    commits: int
    """Commits handed over on the session, this part included."""
    at: float
    """Room time."""


class Transit:
    """One track's audio on its way out. All counts are of the open session."""

    def __init__(self) -> None:
        self._tells = False
        self._under_way: deque[_Handed] = deque()
        self._samples = self._commits = 0
        self._samples_left = self._commits_left = 0
        self._moved_at = 0.0

    def begin(self, *, tells_left: bool) -> None:
        """A session is open; `tells_left`: it reports what has left."""
        self.end()
        self._tells = tells_left

    def end(self) -> None:
        """No session is open."""
        self._tells = False
        self._under_way.clear()
        self._samples = self._commits = self._samples_left = self._commits_left = 0

    def handed(self, samples: int, commits: int, now: float) -> None:
        """So many samples and commits were handed over so far."""
        if not self._tells or (samples, commits) == (self._samples, self._commits):
            return
        if not self._under_way:
            self._moved_at = now
        self._samples, self._commits = samples, commits
        self._under_way.append(_Handed(samples, commits, now))

    def left(self, samples: int, commits: int, now: float) -> None:
        """So many samples and commits have left so far."""
        if samples > self._samples_left or commits > self._commits_left:
            self._moved_at = now
        self._samples_left = max(self._samples_left, samples)
        self._commits_left = max(self._commits_left, commits)
        while self._under_way and self._has_left(self._under_way[0]):
            self._under_way.popleft()

    def room(self) -> int:
        """Samples that may be handed over now."""
        most = round(MOST_SECONDS * SAMPLE_RATE)
        return max(most - (self._samples - self._samples_left), 0) if self._tells else most

    def stalled_at(self, patience_seconds: float) -> float | None:
        """When nothing will have moved for so long; None while nothing waits to leave."""
        return self._moved_at + patience_seconds if self._under_way else None

    def slow_at(self) -> float | None:
        """When the link is slow unless the oldest part leaves before; None while nothing waits to leave."""
        return self._under_way[0].at + SLOW_SECONDS if self._under_way else None

    def caught_up(self, now: float) -> bool:
        """True when nothing has waited to leave for long."""
        return not self._under_way or now - self._under_way[0].at < CAUGHT_UP_SECONDS

    def _has_left(self, part: _Handed) -> bool:
        return part.samples <= self._samples_left and part.commits <= self._commits_left
