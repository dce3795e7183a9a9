"""Texts that fit into a line: what breaks a line, drives a terminal or turns the writing direction is out."""

from __future__ import annotations

import re
import unicodedata

from agent.core.exports.clock import clock
from agent.core.model import Gap, Speaker

_BREAKS = re.compile("[\n\v\f\r\x1c-\x1f\x85\u2028\u2029]+")
"""Everything that some reader takes for the end of a line."""
_CONTROLS = re.compile("[\0-\x08\x0e-\x1b\x7f-\x9f]")
_DIRECTIONS = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""A name that leaves one of them open would turn around all that follows it in the line."""


def one_line(text: str) -> str:
    """The text with a blank in place of each line break, without control characters; tabs stay."""
    return _CONTROLS.sub("", _BREAKS.sub(" ", text))


def label_of(speaker: Speaker) -> str:
    """The label, as it stands before a line."""
    return label_line(speaker.label) or "speaker"


def label_line(text: str) -> str:
    """The text as a label: one line with single blanks, without marks that turn the writing direction."""
    return " ".join(_DIRECTIONS.sub("", one_line(text)).split())


def gap_note(gap: Gap) -> str:
    """What stands where the words of a gap would."""
    return f"[missing until {clock(gap.end)}: {gap_reason(gap)}]"


def gap_reason(gap: Gap) -> str:
    """The reason in words."""
    return gap.reason.value.replace("_", " ")


def is_right_to_left(text: str) -> bool:
    """By its first letter, as Unicode has it (UAX 9, P2)."""
    for char in text:
        if (direction := unicodedata.bidirectional(char)) in ("L", "R", "AL"):
            return direction != "L"
    return False


def embedded(text: str) -> str:
    """Text from right to left after a label, which would otherwise put its full stop at the wrong end."""
    return f"\u202b{text}\u202c" if text else ""


def said(text: str) -> str:
    """What stands after a label in one line: embedded when it is written from right to left."""
    line = one_line(text)
    return embedded(line) if is_right_to_left(line) else line
