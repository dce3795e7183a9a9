"""Answers that are wrong on purpose."""

from __future__ import annotations

import copy
import json

from local.recognizer.faults import Malformation
from local.recognizer.protocol import Message

HUGE_WORD = "a" * 200_000

_BACK_SECONDS = 1_000.0
"""How far negative times are shifted."""


def payloads(messages: tuple[Message, ...], malformation: Malformation | None) -> list[str]:
    """The texts to send for one answer, as `malformation` says."""
    if malformation == "no_json":
        return [json.dumps(message)[:-7] for message in messages]
    if malformation == "no_timestamps_copy":
        return [json.dumps(messages[0])]
    return [json.dumps(_changed(message, malformation)) for message in messages]


def _changed(message: Message, malformation: Malformation | None) -> Message:
    changed = copy.deepcopy(message)
    words = changed.get("words", [])
    if malformation == "missing_fields":
        for name in ("text", "words", "language_code"):
            changed.pop(name, None)
    elif malformation == "huge_word":
        changed["text"] = f"{changed['text']} {HUGE_WORD}".strip()
        if words:
            words.append({**words[-1], "text": HUGE_WORD})
    elif malformation == "negative_times":
        for word in words:
            word["start"] -= _BACK_SECONDS
            word["end"] -= _BACK_SECONDS
    return changed
