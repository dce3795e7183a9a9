"""Names that callers give: of rooms and participants, in the limits of LiveKit's own defaults."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, Field, WithJsonSchema

MAX_BYTES = 256
"""LiveKit counts the bytes of UTF-8, and refuses longer names of rooms, identities and shown names."""


_SID = re.compile(r"[A-Za-z0-9_-]{1,100}")


def check_name(name: str) -> str:
    """A name that can be seen, can be kept and is not too long; it is kept exactly as it is.

    Raises:
        ValueError: says which of the three.
    """
    if "\0" in name:
        raise ValueError("must not hold the character NUL, which no database keeps")
    if not any(one.isprintable() and not one.isspace() for one in name):
        raise ValueError("must hold a character that can be seen")
    if len(name.encode()) > MAX_BYTES:
        raise ValueError(f"must be at most {MAX_BYTES} bytes long in UTF-8")
    return name


def check_room(name: str) -> str:
    """A name that a URL's path can carry: clients take these two for folders and drop them.

    Raises:
        ValueError: the name is . or ..
    """
    if name in (".", ".."):
        raise ValueError("must not be . or .., which no URL can carry")
    return name


Name = Annotated[str, AfterValidator(check_name), Field(min_length=1, max_length=MAX_BYTES)]
"""An identity or a shown name."""

RoomName = Annotated[Name, AfterValidator(check_room)]
"""Any Unicode: spaces, slashes, emoji."""


def check_sid(sid: str) -> str:
    """What may be an id that LiveKit gave.

    Raises:
        ValueError: it is none.
    """
    if not _SID.fullmatch(sid):
        raise ValueError("must be 1 to 100 letters, digits, dashes and underlines")
    return sid


Sid = Annotated[
    str, AfterValidator(check_sid), WithJsonSchema({"type": "string", "pattern": f"^{_SID.pattern}$"})
]
"""Of a session, which is a room's."""


class NewNames:
    """Names for rooms that were given none: `interview-YYYYmmdd-HHMMSS`, `-2` after a second in a second."""

    def __init__(self) -> None:
        self._stem = ""
        self._given = 0

    def next(self, now: datetime) -> str:
        """A name that this process has not given yet."""
        stem = now.strftime("interview-%Y%m%d-%H%M%S")
        if stem != self._stem:
            self._stem, self._given = stem, 0
        self._given += 1
        return stem if self._given == 1 else f"{stem}-{self._given}"
