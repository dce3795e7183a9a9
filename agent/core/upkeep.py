"""How an open recognizer session is used: how fast it is fed, how long it is waited for, when it is renewed.

    opened ........ soft .......... hard .... the provider's limit
      any utterance   no new one      what is unanswered goes to the next session

A provider may end a session of a certain age. Before that, an old session takes no new utterance and is
closed as soon as all that it was sent is answered: in a pause, without a hole and without a replay. A talker
who leaves no such moment is cut over at the hard time.

What waits is sent faster than it was said, but not all at once; a provider that calls that too fast is
sent less at a time, until nothing waits any more.
"""

from __future__ import annotations

from agent.core.model import SAMPLE_RATE
from agent.core.utterance import Utterance

CATCH_UP_SECONDS = 0.05
"""Time between two portions while audio waits, or an answer without which no more may be sent."""
FASTEST = 8.0
"""Times real time at which audio that waits is sent."""
SLOWEST = 1.25
LONGEST_WAIT = 3
"""An utterance that was left unanswered is waited for longer, up to so many times the answer timeout."""
SOFT_SECONDS = 60.0
"""From so long before the limit on, no new utterance begins on the session."""
HARD_SECONDS = 5.0
"""So long before the limit the session is left, whatever it still owes."""


class Upkeep:
    """The open session's times; while none is open, nothing is due."""

    def __init__(self, idle_seconds: float, answer_timeout: float, session_seconds: float) -> None:
        """`session_seconds` is the provider's limit; 0: none is known."""
        self._idle_seconds = idle_seconds
        self._answer_timeout = answer_timeout
        self._soft = session_seconds - min(SOFT_SECONDS, session_seconds / 3)
        self._hard = session_seconds - min(HARD_SECONDS, session_seconds / 6)
        self._is_limited = session_seconds > 0
        self._pace = FASTEST
        self._opened_at: float | None = None
        self._last_use = 0.0
        self._oldest_since = 0.0
        self.sends_at: float | None = None
        """Room time at which more may be sent; None when nothing waits."""

    def opened(self, now: float) -> None:
        """A session is open; all that is unanswered waits for it."""
        self._opened_at = self._last_use = self._oldest_since = self.sends_at = now

    def closed(self) -> None:
        """No session is open."""
        self._opened_at = self.sends_at = None

    def refused_pace(self) -> None:
        """The provider ended the session because too much came: if audio waited, be slower."""
        if self.sends_at is not None:
            self._pace = max(self._pace / 2, SLOWEST)

    def used(self, now: float) -> None:
        """Somebody speaks."""
        self._last_use = now

    def answered(self, now: float, *, next_one: bool) -> None:
        """An answer came. `next_one`: it was the oldest's, so that another is the oldest now."""
        self._last_use = now
        if next_one:
            self._oldest_since = now

    # ---- sending

    def portion(self, now: float) -> int:
        """Samples that may be sent at `now`."""
        if self._opened_at is None or (self.sends_at is not None and now < self.sends_at):
            return 0
        return round(self._pace * CATCH_UP_SECONDS * SAMPLE_RATE)

    def sent(self, samples: int, now: float, *, behind: bool) -> None:
        """So much was sent; `behind`: more waits."""
        wait = samples / SAMPLE_RATE / self._pace if samples else CATCH_UP_SECONDS
        self.sends_at = now + wait if behind else None
        if not behind:
            self._pace = FASTEST

    def is_old(self, now: float) -> bool:
        """True when no new utterance is to begin on the session."""
        return self._is_limited and self._opened_at is not None and now >= self._opened_at + self._soft

    # ---- what is due

    def renew_at(self, *, owes: bool) -> float | None:
        """When the session is to be left for another; `owes`: something that it was sent is unanswered."""
        if not self._is_limited or self._opened_at is None:
            return None
        return self._opened_at + (self._hard if owes else self._soft)

    def idle_at(self, oldest: Utterance | None) -> float | None:
        """When the session is closed for want of speech."""
        if self._opened_at is None or oldest is not None:
            return None
        return self._last_use + self._idle_seconds

    def answer_due_at(self, oldest: Utterance | None) -> float | None:
        """When the session is taken as lost: answers come in order, so the oldest is awaited.

        The wait begins when its commit has left: nothing can be answered that is still on its way out.
        One that was left unanswered before may only be slow: it is given more time.
        """
        if self._opened_at is None or oldest is None or oldest.commit_left_at is None:
            return None
        wait = self._answer_timeout * min(1 + oldest.tries, LONGEST_WAIT)
        return max(oldest.commit_left_at, self._oldest_since) + wait
