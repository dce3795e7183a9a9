"""Decisions of outgoing webhooks: what is posted, what an answer means, when the next try is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import quote

from agent.core.backoff import growing_pause
from agent.core.fields import dump, fields_of, type_of
from agent.core.messages import VERSION
from agent.core.model import End, Gap, Item, Window

POSTED: tuple[type[Item], ...] = (Window, Gap, End)
"""What receivers are sent; everything else they may ask for."""
FIRST_PAUSE_SECONDS = 2.0
"""About so long after a failed try comes the next one; then twice as long, and so on."""
LONGEST_PAUSE_SECONDS = 300.0
GIVE_UP_SECONDS = 86_400.0
"""When nothing of a session could be delivered for so long, each item that waits has one more try."""

_MAY_PASS = frozenset({408, 409, 425, 429})
"""Answers of the 4xx kind that say "not now"."""
_GONE = 410


class Verdict(StrEnum):
    """What becomes of an item after a try."""

    DELIVERED = "delivered"
    LATER = "later"
    """It is tried again."""
    REFUSED = "refused"
    """The receiver does not want it: never again."""
    GONE = "gone"
    """The receiver wants nothing at all any more."""


@dataclass(slots=True)
class Figures:
    """What one process has delivered since it started."""

    delivered: int = 0
    failed: int = 0
    """Tries that are repeated."""
    refused: int = 0
    given_up: int = 0
    failing: bool = False
    """The last try has failed."""
    gone: bool = False
    """The receiver has answered 410: nothing is sent until a restart."""


def verdict(status: int) -> Verdict:
    """What an HTTP status means. Redirects are not followed, so they are as good as no answer."""
    if 200 <= status < 300:
        return Verdict.DELIVERED
    if status == _GONE:
        return Verdict.GONE
    if 400 <= status < 500 and status not in _MAY_PASS:
        return Verdict.REFUSED
    return Verdict.LATER


def pause_seconds(failures: int, luck: float, asked: float | None = None) -> float:
    """How long to wait after so many failed tries in a row, at least 1.

    `luck`: 0 to 1, spreads the tries of many sessions. `asked`: seconds, what the receiver's `retry-after`
    says; it is kept to, up to `GIVE_UP_SECONDS`.
    """
    longest = growing_pause(failures, FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
    return max(longest * (0.5 + luck / 2), min(asked or 0.0, GIVE_UP_SECONDS))


def message_id(session: str, seq: int) -> str:
    """The same at every try, by any process; unique to the item. Without full stops, which signing uses."""
    return f"{quote(session, safe='').replace('.', '%2E')}-{seq}"


def body(item: Item, *, room: str, session: str, seq: int) -> bytes:
    """The item as history hands it out: one JSON object, whole however large."""
    head = {"v": VERSION, "type": type_of(item), "room": room, "session": session, "seq": seq}
    return dump({**head, **fields_of(item)})
