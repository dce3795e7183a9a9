"""The JSON of every message: the one place that knows the wire (design section 5, docs/protocol.md).

A message is one JSON object in UTF-8, at most `MAX_BYTES` long, sent on topic `TOPIC`. An item that does
not fit is split into parts that carry `part` (from 1) and `parts`; `Joiner` puts them together again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from agent.core.fields import (
    Fields,
    fields_of,
    item_from,
    segment_fields,
    text_in,
    type_of,
    whole_in,
    window_fields,
)
from agent.core.model import Item, Segment, Turn, Window
from agent.core.split import split_segment, split_window
from agent.errors import MessageError

TOPIC = "transcript"
VERSION = 1
MAX_BYTES = 15_000
"""LiveKit keeps reliable packets intact up to 15 KiB; the rest is room for its own envelope."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """One parsed message."""

    room: str
    session: str
    """The room's sid."""
    seq: int | None
    """Number of the stored item; None for interims."""
    item: Item
    part: int = 1
    parts: int = 1


def encode(item: Item, *, room: str, session: str, seq: int | None) -> list[bytes]:
    """The messages of one item, in the order in which they are to be sent: one, unless it is too large."""
    head = {"v": VERSION, "type": type_of(item), "room": room, "session": session, "seq": seq}
    whole = _dump({**head, **fields_of(item)})
    if len(whole) <= MAX_BYTES or not isinstance(item, Segment | Window):
        return [whole]
    room_for_parts = len(_dump({**head, "part": 10**6, "parts": 10**6}))

    def size(piece: Item) -> int:
        return room_for_parts + len(_dump(fields_of(piece)))

    pieces: list[Fields] = (
        [segment_fields(piece) for piece in split_segment(item, MAX_BYTES, size)]
        if isinstance(item, Segment)
        else [window_fields(piece, ends) for piece, ends in split_window(item, MAX_BYTES, size)]
    )
    return [
        _dump({**head, **fields, "part": number, "parts": len(pieces)})
        for number, fields in enumerate(pieces, start=1)
    ]


def parse(data: bytes | str) -> Envelope:
    """Read one message. A part of a large item comes back with `part` and `parts` set.

    Raises:
        MessageError: no JSON object, another version or type, or a field missing or of the wrong type.
    """
    try:
        fields = json.loads(data)
    except (ValueError, UnicodeDecodeError, RecursionError) as exc:
        raise MessageError(f"a message must be a JSON object in UTF-8: {exc}") from exc
    if not isinstance(fields, dict):
        raise MessageError("a message must be a JSON object")
    if fields.get("v") != VERSION:
        raise MessageError(f"message version {fields.get('v')!r} is not {VERSION}")
    try:
        return _envelope(fields)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as exc:
        raise MessageError(f"message of type {fields.get('type')!r}: bad field {exc}") from exc


def _envelope(fields: Mapping[str, Any]) -> Envelope:
    part, parts = whole_in({"part": 1, **fields}, "part"), whole_in({"parts": 1, **fields}, "parts")
    if not 1 <= part <= parts:
        raise ValueError(f"part {part} of {parts}")
    return Envelope(
        room=text_in(fields, "room"),
        session=text_in(fields, "session"),
        seq=None if fields["seq"] is None else whole_in(fields, "seq"),
        item=item_from(fields["type"], fields),
        part=part,
        parts=parts,
    )


class Joiner:
    """Puts the parts of large items together; parts of one sender come in order (reliable packets)."""

    def __init__(self) -> None:
        self._parts: dict[tuple[str, int | None, str | int], list[Envelope]] = {}

    def feed(self, data: bytes | str) -> Envelope | None:
        """One received message in; the whole envelope out, or None while parts are missing.

        A part out of order drops what was collected of its item: half an item is never given out.

        Raises:
            MessageError: the bytes are no message of ours.
        """
        envelope = parse(data)
        if envelope.parts == 1:
            return envelope
        key = envelope.session, envelope.seq, _id(envelope.item)
        if envelope.part == 1:
            self._parts[key] = []  # sent anew: what was there of it will not be completed
        known = self._parts.get(key, [])
        if envelope.part != len(known) + 1 or (known and _version(envelope) != _version(known[0])):
            self._parts.pop(key, None)
            return None
        known.append(envelope)
        if envelope.part < envelope.parts:
            return None
        del self._parts[key]
        return replace(envelope, item=_joined([one.item for one in known]), part=1, parts=1)


def _id(item: Item) -> str | int:
    match item:
        case Segment():
            return item.segment_id
        case Window():
            return item.window_id
    raise MessageError(f"a message of type {type_of(item)!r} has no parts")


def _version(envelope: Envelope) -> tuple[int, int]:
    assert isinstance(envelope.item, Segment | Window)
    return envelope.item.revision, envelope.parts


def _joined(items: list[Item]) -> Item:
    first = items[0]
    if isinstance(first, Segment):
        segments = [item for item in items if isinstance(item, Segment)]
        return replace(
            first,
            text="".join(one.text for one in segments),
            words=tuple(word for one in segments for word in one.words),
        )
    windows = [item for item in items if isinstance(item, Window)]
    turns: list[Turn] = []
    for window in windows:
        for turn in window.turns:
            if turns and turn.start == turns[-1].start and turn.speaker == turns[-1].speaker:
                turns[-1] = replace(turns[-1], text=turns[-1].text + turn.text)
            else:
                turns.append(turn)
    assert isinstance(first, Window)
    return replace(first, turns=tuple(turns))


def _dump(fields: Mapping[str, Any]) -> bytes:
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
