"""Cutting an item that is too large for one message into parts that fit.

Every part has all fields of the item; only what makes it large is shared out, in order: the text and the
words of a segment, the turns (each with its line of the text) and the pending labels of a window, the sums of
an end. A word or turn that is too large for a part of its own is cut, between words where that is possible;
the part that begins with the rest of one says `continued`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

from agent.core.fields import Fields, dump

LEAST_ROOM = 1000
"""Bytes that a part has for its share, even if its other fields leave less: it must go on."""


@dataclass(slots=True)
class _Share:
    """Some entries of a list, for one part."""

    entries: list[Any] = field(default_factory=list)
    continued: bool = False
    """The first entry is the rest of the last one of the share before."""


def split(kind: str, fields: Fields, limit: int) -> list[Fields]:
    """The fields of an item of this type as those of its parts, each of at most `limit` bytes as JSON."""
    match kind:
        case "segment":
            return _split_segment(fields, _room(fields, limit, text="", words=[]))
        case "window":
            return _split_window(fields, _room(fields, limit, text="", turns=[], pending=[]))
        case "end":
            sums = _shares(fields["accounting"], _room(fields, limit, accounting=[]), _size)
            return [{**fields, "accounting": share.entries} for share in sums]
    return [fields]


def _room(fields: Fields, limit: int, **empty: str | list[Any]) -> int:
    """Bytes for what is shared out, beside the other fields."""
    return max(limit - len(dump({**fields, **empty, "continued": True})), LEAST_ROOM)


def _split_segment(fields: Fields, room: int) -> list[Fields]:
    all_words = sum(map(_size, fields["words"]))
    for_words = min(all_words, max(room // 2, room - _text_size(fields["text"])))
    words = _shares(fields["words"], for_words, _size)
    texts = _shares([{"text": fields["text"]}], room - for_words, lambda entry: _text_size(entry["text"]))
    return [
        {
            **fields,
            "text": "".join(entry["text"] for entry in text.entries),
            "words": share.entries,
            **_continued(share),
        }
        for text, share in zip_longest(texts, words, fillvalue=_Share())
    ]


def _split_window(fields: Fields, room: int) -> list[Fields]:
    for_pending = min(sum(map(_size, fields["pending"])), room // 2)
    pending = _shares(fields["pending"], for_pending, _size)
    turns = _shares(fields["turns"], room - for_pending, lambda turn: _size(turn) + _text_size(_line(turn)))
    parts: list[Fields] = []
    for share, labels in zip_longest(turns, pending, fillvalue=_Share()):
        text = "\n".join(map(_line, share.entries))
        if share.continued:
            text = text.removeprefix(_label(share.entries[0]))
        elif parts and share.entries:
            text = "\n" + text
        parts.append(
            {**fields, "text": text, "turns": share.entries, "pending": labels.entries, **_continued(share)}
        )
    return parts


def _shares(entries: Iterable[Any], budget: int, size: Callable[[Any], int]) -> list[_Share]:
    """`entries` in order in as few shares as it takes, each within `budget` if it can be; at least one."""
    shares, left = [_Share()], budget
    for entry in entries:
        rest = entry
        if size(rest) > left and shares[-1].entries:
            shares.append(_Share())
            left = budget
        while size(rest) > budget and (cut := _cut(rest, budget, size)):
            head, rest = cut
            shares[-1].entries.append(head)
            shares.append(_Share(continued=True))
            left = budget
        shares[-1].entries.append(rest)
        left -= size(rest)
    return shares


def _cut(entry: Any, budget: int, size: Callable[[Any], int]) -> tuple[Fields, Fields] | None:
    """A word or turn in two, the first as large as the budget allows; None for what has no text to cut."""
    text = entry.get("text", "") if isinstance(entry, dict) else ""
    if len(text) < 2:
        return None
    low, high = 1, len(text) - 1
    while low < high:
        middle = (low + high + 1) // 2
        if size({**entry, "text": text[:middle]}) <= budget:
            low = middle
        else:
            high = middle - 1
    blank = text.rfind(" ", 0, low) + 1
    at = blank if blank > low // 2 else low
    return {**entry, "text": text[:at]}, {**entry, "text": text[at:]}


def _continued(share: _Share) -> Fields:
    return {"continued": True} if share.continued else {}


def _label(turn: Fields) -> str:
    return f"{turn['speaker']['label']}: "


def _line(turn: Fields) -> str:
    return _label(turn) + str(turn["text"])


def _size(entry: object) -> int:
    """Bytes of an entry in a list, with its comma."""
    return len(dump(entry)) + 1


def _text_size(text: str) -> int:
    """Bytes of a text inside a text, with a line break before it."""
    return len(dump(text))
