"""The JSON of every message: the one place that knows the wire (design section 5, docs/protocol.md).

A message is one JSON object in UTF-8, at most `MAX_BYTES` long, sent on topic `TOPIC`. A segment, window or
end that does not fit is split into parts that carry `part` (from 1) and `parts`; `Joiner` puts them together.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from agent.core.fields import dump, fields_of, flag_in, item_from, text_in, type_of, whole_in
from agent.core.model import End, Item, Segment, Turn, Window, Word
from agent.core.split import split
from agent.errors import MessageError

TOPIC = "transcript"
VERSION = 1
MAX_BYTES = 15_000
"""LiveKit keeps reliable packets intact up to 15 KiB; the rest is room for its own envelope."""
MAX_INCOMPLETE = 16
"""Items of which a `Joiner` keeps parts; beyond it, the oldest has lost one and is forgotten."""


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
    continued: bool = False
    """The first word or turn of this part is the rest of the last one of the part before."""


def encode(item: Item, *, room: str, session: str, seq: int | None) -> list[bytes]:
    """The messages of one item, in the order in which they are to be sent: one, unless it is too large."""
    head = {"v": VERSION, "type": type_of(item), "room": room, "session": session, "seq": seq}
    fields = fields_of(item)
    whole = dump({**head, **fields})
    if len(whole) <= MAX_BYTES:
        return [whole]
    limit = MAX_BYTES - len(dump({**head, "part": 10**6, "parts": 10**6}))
    parts = split(type_of(item), fields, limit)
    return [
        dump({**head, **part, "part": number, "parts": len(parts)})
        for number, part in enumerate(parts, start=1)
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
        continued=flag_in({"continued": False, **fields}, "continued"),
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
            self._parts.pop(key, None)  # sent anew: what was there of it will not be completed
            self._parts[key] = []
            if len(self._parts) > MAX_INCOMPLETE:
                del self._parts[next(iter(self._parts))]
        known = self._parts.get(key, [])
        if envelope.part != len(known) + 1 or (known and _version(envelope) != _version(known[0])):
            self._parts.pop(key, None)
            return None
        known.append(envelope)
        if envelope.part < envelope.parts:
            return None
        del self._parts[key]
        return replace(envelope, item=_joined(known), part=1, parts=1)


def _id(item: Item) -> str | int:
    match item:
        case Segment():
            return item.segment_id
        case Window():
            return item.window_id
        case End():
            return ""
    raise MessageError(f"a message of type {type_of(item)!r} has no parts")


def _version(envelope: Envelope) -> tuple[int, int]:
    item = envelope.item
    return item.revision if isinstance(item, Segment | Window) else 1, envelope.parts


def _joined(parts: Sequence[Envelope]) -> Item:
    items = [part.item for part in parts]
    match items[0]:
        case Segment() as first:
            segments = [one for one in items if isinstance(one, Segment)]
            shares = [(part.continued, one.words) for part, one in zip(parts, segments, strict=True)]
            return replace(first, text="".join(one.text for one in segments), words=_entries(shares))
        case Window() as first:
            windows = [one for one in items if isinstance(one, Window)]
            turns = _entries([(part.continued, one.turns) for part, one in zip(parts, windows, strict=True)])
            return replace(first, turns=turns, pending=tuple(name for one in windows for name in one.pending))
        case _:
            ends = [one for one in items if isinstance(one, End)]
            return replace(ends[0], accounting=tuple(sums for one in ends for sums in one.accounting))


_Entry = TypeVar("_Entry", Word, Turn)


def _entries(shares: Sequence[tuple[bool, tuple[_Entry, ...]]]) -> tuple[_Entry, ...]:
    """The entries of all parts; one that was cut is whole again."""
    entries: list[_Entry] = []
    for continued, share in shares:
        rest = share
        if continued and entries and share:
            entries[-1] = replace(entries[-1], text=entries[-1].text + share[0].text)
            rest = share[1:]
        entries += rest
    return tuple(entries)
