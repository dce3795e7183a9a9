"""The events of a room's live stream: items of the record as Server-Sent Events, and the ids between them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import quote, unquote

from fastapi.sse import format_sse_event

from agent.clock import timestamp
from agent.core.fields import dump, fields_of, seconds, speaker_fields, type_of
from agent.core.history import MAX_SEQ
from agent.core.model import Item, Segment
from agent.store.dates import moment
from agent.store.protocol import RoomLife, Stored

HEARTBEAT = b": \n\n"
"""A comment: readers ignore it, proxies see that the connection is in use."""

_LINE_BREAKS = str.maketrans({"\x85": "\\u0085", "\u2028": "\\u2028", "\u2029": "\\u2029"})
"""What some clients take for an end of line and JSON does not escape by itself."""

_ID = re.compile(r"(\d{1,19})(?:@(\S{1,500}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Event:
    """One stored item, ready to be sent to any number of readers."""

    seq: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Position:
    """What a reader has had."""

    seq: int
    """Everything of the session up to here."""
    session: str | None = None
    """The room's sid; None when the reader did not say."""


def event_of(room: str, life: RoomLife, stored: Stored) -> Event:
    """An item of a session, under the id that a reader comes back with."""
    item = stored.item
    kind = "transcript" if isinstance(item, Segment) else type_of(item)
    fields = {"room": room, "session": life.session, "seq": stored.seq, **_fields(life, item)}
    return Event(stored.seq, _event(kind, fields, id_of(Position(stored.seq, life.session))))


def id_of(position: Position) -> str:
    """`57@RM_…`: the number first, so that whoever only wants that reads it from there."""
    return f"{position.seq}@{quote(position.session or '', safe='')}"


def read_id(text: str) -> Position | None:
    """The position of an id of ours, or of a bare `seq`; None when it is neither."""
    found = _ID.fullmatch(text)
    session = unquote(found[2]) if found is not None and found[2] else None
    if found is None or int(found[1]) > MAX_SEQ or "\0" in (session or ""):
        return None
    return Position(int(found[1]), session)


def connected(room: str, life: RoomLife | None, after: int) -> bytes:
    """Which session is read from here on, and after which of its items; no session: it has not begun."""
    fields: dict[str, Any] = {"room": room, "session": None, "started_at": None, "ended_at": None}
    if life is not None:
        fields |= {"session": life.session, "started_at": life.started_at, "ended_at": life.ended_at}
    return _event("connected", {**fields, "last_seq": life.last_seq if life else 0, "after": after})


def unstored_status(room: str, session: str | None, fields: dict[str, Any]) -> bytes:
    """A status that is in no record, so without a number."""
    return _event("status", {"room": room, "session": session, "seq": None, **fields})


def closing(reason: str, *, retry_ms: int | None = None) -> bytes:
    """The last event before this side closes the stream."""
    return _event("closing", {"reason": reason, "again": retry_ms is not None}, retry=retry_ms)


def retry(milliseconds: int) -> bytes:
    """How long the reader is to wait before it connects again."""
    return format_sse_event(retry=milliseconds)


def _event(kind: str, fields: dict[str, Any], sse_id: str | None = None, retry: int | None = None) -> bytes:
    text = dump(fields).decode().translate(_LINE_BREAKS)
    return format_sse_event(event=kind, data_str=text, id=sse_id, retry=retry)


def _fields(life: RoomLife, item: Item) -> dict[str, Any]:
    if not isinstance(item, Segment):
        return fields_of(item)
    fields = fields_of(item)
    del fields["final"], fields["speaker"]
    return {
        "timestamp": _timestamp(life.started_at, item.start),
        "speaker": item.speaker.label,
        "is_final": item.final,
        **fields,
        "participant": speaker_fields(item.speaker),
    }


def _timestamp(started_at: str, start: float) -> str:
    """When it was said, by the calendar: ISO 8601, UTC."""
    began = moment(started_at)
    try:
        return timestamp(began + timedelta(seconds=seconds(start)))
    except OverflowError:  # a time that nobody can have spoken at
        return timestamp(began)
