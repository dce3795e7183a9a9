"""When a worker is too busy for one more room.

LiveKit asks for a transcriber once, when the room begins: a refusal can cost the room its whole record, while
a busy machine only makes text late. So a burst (a browser starting, many people joining) is no reason to
refuse, and neither are several rooms that begin at the same moment; only a machine that has been busy for
long says no, and then the next worker is asked.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

FULL = 0.95
"""Share of all processors in use."""
LASTING_SECONDS = 15.0


class LoadMeter:
    """Remembers the load of the last seconds; called by the server about twice a second."""

    def __init__(self, read: Callable[[], float], clock: Callable[[], float] = time.monotonic) -> None:
        """`read` gives the load at the moment, 0..1."""
        self._read = read
        self._clock = clock
        self._samples: deque[tuple[float, float]] = deque()

    def __call__(self) -> float:
        """The load now; the server prefers workers with less."""
        now, load = self._clock(), self._read()
        self._samples.append((now, load))
        while self._samples[0][0] < now - LASTING_SECONDS:
            self._samples.popleft()
        return load

    @property
    def full(self) -> bool:
        """True when the machine has been busy all the time for as long as it was watched."""
        if not self._samples or self._samples[-1][0] - self._samples[0][0] < LASTING_SECONDS * 0.9:
            return False
        return min(load for _, load in self._samples) >= FULL
