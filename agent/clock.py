"""The one clock of a session: room time, in seconds since the room was created.

Every process on every host computes the same room time, whatever the host's wall clock says. Two of the
LiveKit server's own times tell how old the room was when we joined; from then on the monotonic clock counts.

    monotonic   asked ----------- joined_at ------------------------- connected
                  TCP, TLS, request    |   answer, ICE and DTLS handshakes

The server took `joined_at` somewhere between our request and the end of the connection. `Joining.moment` says
where: the handshakes take round trips, so the place is a fixed share of the time, however slow the link is.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

PLAIN_SHARE = 0.33
"""Share of the connection time that lies before `joined_at`: 1.5 round trips of about 5.

Measured with 0, 20, 75 and 150 ms each way: 0.24 to 0.49, mostly 0.3; the error was 0.09 s at most."""
TLS_SHARE = 0.43
"""The same with a round trip more at the beginning (TLS 1.3)."""
HANDSHAKES_SECONDS = 1.2
"""Longest time from `joined_at` to the connection (150 ms each way); a longer one had a failed attempt."""


@dataclass(frozen=True, slots=True)
class Joining:
    """When a room was joined, on the monotonic clock."""

    asked: float
    """When the connection was begun."""
    connected: float
    tls: bool = False
    """The connection to the server was encrypted (wss)."""

    @property
    def moment(self) -> float:
        """When the server took the time of our joining."""
        share = TLS_SHARE if self.tls else PLAIN_SHARE
        return max(
            self.asked + share * (self.connected - self.asked),
            self.connected - HANDSHAKES_SECONDS,
            self.asked,
        )


class RoomClock:
    """Room time of one session; never below 0."""

    def __init__(self, created_at: datetime, joined_at: datetime | None, joining: Joining) -> None:
        """`created_at` and `joined_at` (aware) are the server's times of the room and of our own participant.

        Without `joined_at`, which LiveKit's servers give since 2024, the host's wall clock has to do.
        """
        self.created_at = created_at
        seen_at = joining.moment
        if joined_at is None:
            joined_at, seen_at = datetime.now(UTC), time.monotonic()
        self._offset = max((joined_at - created_at).total_seconds(), 0.0) - seen_at

    def now(self) -> float:
        """Room time, seconds."""
        return max(time.monotonic() + self._offset, 0.0)

    def date(self) -> datetime:
        """Now, by the server's clock."""
        return self.created_at + timedelta(seconds=self.now())

    def monotonic(self, room_time: float) -> float:
        """The moment of a room time on the event loop's clock."""
        return room_time - self._offset


def timestamp(moment: datetime | None = None) -> str:
    """ISO 8601 in UTC with milliseconds and `Z`; now when no moment is given."""
    moment = moment or datetime.now(UTC)
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
