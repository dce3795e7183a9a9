"""The life of one track's recognizer session: when it is opened, lost, tried again and closed.

             NEEDED                OPENED
    closed ---------> opening ----------------> open
                      ^     |                    |
                  DUE |     | FAILED             | FAILED
                      |     v                    |
                      waiting <------------------+

    opening, open, waiting -- UNUSED --> closed

A session costs money while it is open, so it is opened by speech and closed when unused. After a
fault the wait grows from `FIRST_RETRY_SECONDS` to `LONGEST_RETRY_SECONDS`, and starts small again
once an answer has come; a refusal that time cannot heal is tried again every `PROBE_SECONDS`. A session
that is closed on us while it is idle is no fault: it is unused.
"""

from __future__ import annotations

from enum import StrEnum
from random import Random

from agent.core.backoff import growing_pause
from agent.errors import IllegalEvent

FIRST_RETRY_SECONDS = 0.1
LONGEST_RETRY_SECONDS = 8.0
PROBE_SECONDS = 30.0
LONGEST_ASKED_SECONDS = 60.0
"""A provider that asks for a longer wait is tried again after this: the audio kept is bounded."""
JITTER = 0.25
"""Waits vary by this share, so that many tracks do not come back at the same moment."""


class LinkState(StrEnum):
    CLOSED = "closed"
    OPENING = "opening"
    OPEN = "open"
    WAITING = "waiting"


class LinkEvent(StrEnum):
    NEEDED = "needed"
    OPENED = "opened"
    FAILED = "failed"
    DUE = "due"
    UNUSED = "unused"


TABLE: dict[tuple[LinkState, LinkEvent], LinkState] = {
    (LinkState.CLOSED, LinkEvent.NEEDED): LinkState.OPENING,
    (LinkState.OPENING, LinkEvent.OPENED): LinkState.OPEN,
    (LinkState.OPENING, LinkEvent.FAILED): LinkState.WAITING,
    (LinkState.OPENING, LinkEvent.UNUSED): LinkState.CLOSED,
    (LinkState.OPEN, LinkEvent.FAILED): LinkState.WAITING,
    (LinkState.OPEN, LinkEvent.UNUSED): LinkState.CLOSED,
    (LinkState.WAITING, LinkEvent.DUE): LinkState.OPENING,
    (LinkState.WAITING, LinkEvent.UNUSED): LinkState.CLOSED,
}


class Link:
    """State, number and back-off of a track's recognizer session."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._failures = 0
        self.state = LinkState.CLOSED
        self.number = 0
        """Number of the session being opened or open; events of an earlier one are stale."""
        self.retry_at: float | None = None
        """Room time of the next try while waiting."""

    def feed(self, event: LinkEvent) -> LinkState:
        """Take the step of the table.

        Raises:
            IllegalEvent: the state does not allow the event.
        """
        try:
            self.state = TABLE[self.state, event]
        except KeyError:
            raise IllegalEvent(f"recognizer session: {event} in state {self.state}") from None
        if self.state is LinkState.OPENING:
            self.number += 1
        if self.state is not LinkState.WAITING:
            self.retry_at = None
        return self.state

    def failed(self, now: float, *, retryable: bool, retry_after_seconds: float | None) -> None:
        """The session could not be opened, or was lost: wait before the next try."""
        self.feed(LinkEvent.FAILED)
        self._failures += 1
        wait = growing_pause(self._failures, FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS)
        if not retryable:
            wait = PROBE_SECONDS
        wait = max(wait, min(retry_after_seconds or 0.0, LONGEST_ASKED_SECONDS))
        wait *= 1 + JITTER * self._random.random()
        self.retry_at = now + wait

    def answered(self) -> None:
        """An answer came: the session works, so the next fault is the first one again."""
        self._failures = 0
