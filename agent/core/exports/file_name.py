"""A room's name as that of a file, on any system."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import quote

from agent.core.exports.graphemes import graphemes

MAX_BYTES = 150
"""Of UTF-8, extension included."""
UNNAMED = "transcript"
_FORBIDDEN = frozenset('<>:"/\\|?*')
_KEPT_FORMATS = frozenset("\u200c\u200d")
"""Parts of words and of emoji; other characters without a form can hide what a name is."""
_RESERVED = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])\s*(\.|$)", re.IGNORECASE)
"""Names of devices on Windows, with any extension."""


def file_name(room: str, extension: str) -> str:
    """`room.extension`, changed as little as every file system needs."""
    normal = unicodedata.normalize("NFC", room)
    visible = "".join(" " if char.isspace() else char for char in normal if not _is_unseen(char))
    stem = "".join("_" if char in _FORBIDDEN else char for char in " ".join(visible.split())).lstrip(" .-~")
    if _RESERVED.match(stem):
        stem = f"_{stem}"
    kept, left = "", MAX_BYTES - len(f".{extension}".encode())
    for grapheme in graphemes(stem):
        left -= len(grapheme.encode())
        if left < 0:
            break
        kept += grapheme
    return f"{kept.rstrip(' .') or UNNAMED}.{extension}"


def ascii_file_name(room: str, extension: str) -> str:
    """The same for programs that know nothing but ASCII: without accents, `_` for the rest."""
    plain = "".join(
        char if char.isascii() else "_"
        for char in unicodedata.normalize("NFKD", file_name(room, extension))
        if not unicodedata.combining(char)
    )
    stem = re.sub("_{2,}", "_", plain).removesuffix(f".{extension}").replace("%", "_")
    return file_name(stem if any(map(str.isalnum, stem)) else UNNAMED, extension)


def content_disposition(kind: str, room: str, extension: str) -> str:
    """The header (RFC 6266) that names the file; `kind` is `attachment` or `inline`."""
    named = quote(file_name(room, extension), safe="")
    return f"{kind}; filename=\"{ascii_file_name(room, extension)}\"; filename*=UTF-8''{named}"


def _is_unseen(char: str) -> bool:
    category = unicodedata.category(char)
    return not char.isspace() and category in ("Cc", "Cf", "Cs", "Cn", "Co") and char not in _KEPT_FORMATS
