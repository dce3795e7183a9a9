"""What a reader sees as one character, and how many columns it takes.

An approximation of Unicode's rules (UAX 29, UAX 11) with what the standard library knows: core has no
dependencies, and a cue that is cut a character early harms nobody. What it must do is not to cut a character.
"""

from __future__ import annotations

import unicodedata

_JOINER = "\u200d"
_EMOJI_STYLE = "\ufe0f"
_EXTENDING = frozenset("\u200c\u200d\u0e33\u0eb3\uff9e\uff9f")
"""They belong to the character before them, though their category does not say so."""
_VIRAMA = 9
"""Combining class of what joins two consonants in the scripts of India."""


def graphemes(text: str) -> list[str]:
    """`text` cut between the characters that readers see."""
    if text.isascii():
        return list(text)
    found: list[str] = []
    for char in text:
        if found and _belongs(char, found[-1]):
            found[-1] += char
        else:
            found.append(char)
    return found


def width(text: str) -> int:
    """Columns of `text` in a fixed-width font: 2 for East Asian characters and emoji, 0 for the unseen."""
    return len(text) if text.isascii() else sum(map(_columns, graphemes(text)))


def is_wide(char: str) -> bool:
    """True for characters of scripts that are written without blanks between words, and for emoji."""
    # Python takes what has no meaning yet for full-width
    return unicodedata.east_asian_width(char) in "WF" and unicodedata.category(char) != "Cn"


def chunks(text: str, columns: int) -> list[str]:
    """`text` in pieces of at most `columns`, cut between characters; one that is wider stays whole."""
    if width(text) <= columns:
        return [text]
    found, used = [""], 0
    for grapheme in graphemes(text):
        more = _columns(grapheme)
        if found[-1] and used + more > columns:
            found.append("")
            used = 0
        found[-1] += grapheme
        used += more
    return found


def _belongs(char: str, before: str) -> bool:
    """True when `char` goes on with the character `before`."""
    last = before[-1]
    category = unicodedata.category(char)
    if category[0] == "M" or char in _EXTENDING or "\U0001f3fb" <= char <= "\U0001f3ff":
        return True
    if "\U000e0020" <= char <= "\U000e007f" or _is_jamo_tail(char):
        return True
    if last == _JOINER and category[0] == "S":
        return True
    if _is_flag_half(char):
        return len(before) == 1 and _is_flag_half(last)
    return category == "Lo" and len(before) > 1 and unicodedata.combining(last) == _VIRAMA


def _columns(grapheme: str) -> int:
    first = grapheme[0]
    if is_wide(first) or _EMOJI_STYLE in grapheme or (_is_flag_half(first) and len(grapheme) > 1):
        return 2
    return 0 if unicodedata.category(first) in ("Mn", "Me", "Cf") else 1


def _is_flag_half(char: str) -> bool:
    """A regional indicator: two of them are a flag."""
    return "\U0001f1e6" <= char <= "\U0001f1ff"


def _is_jamo_tail(char: str) -> bool:
    """A vowel or final consonant of a Korean syllable that is written in parts."""
    return "\u1160" <= char <= "\u11ff" or "\ud7b0" <= char <= "\ud7fb"
