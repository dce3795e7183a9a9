"""The one clock of a session: room time, in seconds since the room was created.

Every process on every host computes the same room time from the room's creation time. After the start
it runs on the monotonic clock, so that a change of the wall clock moves nothing.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime


class RoomClock:
    """Room time of one session."""

    def __init__(self, created_at: datetime) -> None:
        """`created_at` is the room's creation time (aware), as LiveKit tells it."""
        self.created_at = created_at
        self._offset = time.time() - created_at.timestamp() - time.monotonic()

    def now(self) -> float:
        """Room time, seconds."""
        return time.monotonic() + self._offset

    def monotonic(self, room_time: float) -> float:
        """The moment of a room time on the event loop's clock."""
        return room_time - self._offset


def timestamp(moment: datetime | None = None) -> str:
    """ISO 8601 in UTC with milliseconds and `Z`; now when no moment is given."""
    moment = moment or datetime.now(UTC)
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
