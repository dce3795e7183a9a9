"""The one rule for text that cannot be said: what no database, browser or UTF-8 can hold.

A recognizer or a name may contain U+0000 or half of a surrogate pair. Both become U+FFFD, the replacement
character, as soon as the text is received, so that it is the same live, in the store and on the wire.
"""

from __future__ import annotations

from typing import Any


def clean_text(text: str) -> str:
    """Text that UTF-8 and PostgreSQL can hold: U+0000 and lone surrogates become U+FFFD."""
    if not text.isascii():
        # a pair of surrogates is one character written in halves, and becomes that character
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text.replace("\0", "\ufffd")


def clean_json(value: Any) -> Any:
    """A JSON value with every text in it cleaned, names of fields too."""
    match value:
        case str():
            return clean_text(value)
        case dict():
            return {clean_json(name): clean_json(part) for name, part in value.items()}
        case list() | tuple():
            return [clean_json(part) for part in value]
    return value
