"""What readers are told about one speaker's recognizer: a status when it fails, another when it is back."""

from __future__ import annotations

from agent.core.model import Reason, Speaker, State, Status

TROUBLE_SECONDS = 1.5
"""A fault that is mended sooner is not worth a status."""
OPENING_SECONDS = 2.0
"""A session that takes longer to open is a fault, even if it opens in the end."""
MAX_DETAIL = 500
"""Characters of a provider's words that are told."""


class Health:
    """Faults and answers in, statuses out; an answer is the only proof that all is well."""

    def __init__(self, speaker: Speaker, told: Status | None = None) -> None:
        """`told`: the fault of an earlier track of this speaker that readers still know of."""
        self._speaker = speaker
        self._trouble: Status | None = None
        self._told = told
        self._slow: Status | None = None
        self._due = 0.0
        self._opening_since: float | None = None

    def opening(self, now: float) -> None:
        """A session is being opened."""
        self._opening_since = now

    def opening_over(self) -> None:
        """It is open, or no longer wanted."""
        self._opening_since = None

    def fault(self, reason: Reason, now: float, *, retryable: bool, detail: str) -> Status | None:
        """The session was refused or lost. Returns the status that corrects what readers know, if any.

        The first fault is told by `tell`, once it has lasted; one that time cannot heal at once.
        """
        state = State.DEGRADED if retryable else State.STOPPED
        first = self._trouble is None
        self._trouble = Status(state, reason, self._speaker, detail[:MAX_DETAIL])
        if self._told is not None and (self._told.state, self._told.reason) != (state, reason):
            return self.tell()
        if not retryable:
            self._due = now
        elif first:
            self._due = now + TROUBLE_SECONDS
        return None

    def answered(self) -> Status | None:
        """An answer came. Returns the status that takes a fault back, if one was told."""
        self._trouble = None
        return self._correct()

    def link_is_slow(self) -> Status | None:
        """The session's link is slower than speech. Returns the status that says so, unless readers know."""
        self._slow = Status(
            State.DEGRADED, Reason.RECOGNIZER_SLOW, self._speaker, "the link to the recognizer is slow"
        )
        return self._correct() if self._trouble is None else None

    def link_caught_up(self) -> Status | None:
        """Nothing waits for the link any more. Returns the status that takes `link_is_slow` back, if any."""
        if self._slow is None:
            return None
        self._slow = None
        return self._correct() if self._trouble is None else None

    @property
    def slow(self) -> bool:
        """True from `link_is_slow` to `link_caught_up`."""
        return self._slow is not None

    def _correct(self) -> Status | None:
        """There is no fault, but perhaps a slow link: the status that says so, unless readers know."""
        told, self._told = self._told, self._slow
        if self._slow is not None:
            return None if told == self._slow else self._slow
        return None if told is None else Status(State.LISTENING, speaker=self._speaker)

    def due(self) -> float | None:
        """Room time at which there is a fault to tell; None when there is none, or it is known."""
        if self._told is not None:
            return None
        if self._trouble is not None:
            return self._due
        return None if self._opening_since is None else self._opening_since + OPENING_SECONDS

    def tell(self) -> Status:
        """The status that is due."""
        if self._trouble is None:
            reason, detail = Reason.RECOGNIZER_UNREACHABLE, "the recognizer takes long to begin"
            self._trouble = Status(State.DEGRADED, reason, self._speaker, detail)
        self._told = self._trouble
        return self._told

    @property
    def fault_reason(self) -> Reason | None:
        """Why the recognizer fails at this moment, also before readers are told; None while it works."""
        return self._trouble.reason if self._trouble else None

    def reason(self, otherwise: Reason) -> Reason:
        """Why audio is given up now: the fault there is, or `otherwise`."""
        known = self._trouble or self._slow
        return known.reason if known and known.reason else otherwise
