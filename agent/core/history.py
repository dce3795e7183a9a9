"""The RPC method `transcript.history`: reading its requests, packing its replies (docs/protocol.md)."""

from __future__ import annotations

import json
from collections.abc import Sequence

from agent.core.fields import dump, fields_of, type_of
from agent.core.messages import MAX_BYTES, VERSION
from agent.core.model import Item
from agent.errors import MessageError

METHOD = "transcript.history"
DEFAULT_LIMIT = 100
MAX_LIMIT = 500
MAX_SEQ = 2**63 - 1
"""The largest number a store can be asked for."""


def read_request(payload: str) -> tuple[int, int]:
    """`{"after": seq, "limit": n}` -> (after, limit); both may be left out.

    Raises:
        MessageError: no JSON object, or a field that is no whole number in its range.
    """
    try:
        fields = json.loads(payload) if payload.strip() else {}
    except (ValueError, RecursionError) as exc:
        raise MessageError('the payload must be a JSON object like {"after": 0, "limit": 100}') from exc
    if not isinstance(fields, dict):
        raise MessageError('the payload must be a JSON object like {"after": 0, "limit": 100}')
    after = _whole(fields.get("after", 0), "after", 0)
    return after, min(_whole(fields.get("limit", DEFAULT_LIMIT), "limit", 1), MAX_LIMIT)


def pack_reply(items: Sequence[tuple[int, Item]], *, after: int, last: int, room: str, session: str) -> str:
    """The reply with as many of `items` (seq, item) as fit into one RPC payload.

    `last` is the highest seq that is known to exist. An item too large for any reply is named without
    its content.
    """
    head = {"v": VERSION, "room": room, "session": session}
    packed: list[str] = []
    size = len(_dump({"items": [], "last": last, "more": False}))
    reached = after
    for seq, item in items:
        text = _dump({**head, "type": type_of(item), "seq": seq, **fields_of(item)})
        if size + _size(text) > MAX_BYTES and not packed:
            text = _dump({**head, "type": type_of(item), "seq": seq, "too_large": True})
        if size + _size(text) > MAX_BYTES:
            break
        packed.append(text)
        size += _size(text)
        reached = seq
    more = _dump(reached < last)
    return f'{{"items":[{",".join(packed)}],"last":{reached},"more":{more}}}'


def _dump(value: object) -> str:
    return dump(value).decode()


def _size(text: str) -> int:
    return len(text.encode()) + 1


def _whole(value: object, name: str, least: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= MAX_SEQ:
        raise MessageError(f"{name} must be a whole number from {least} to {MAX_SEQ}")
    return value
