"""Cutting an item that is too large for one message into parts that fit.

Parts keep every field of the item but its text, words and turns, which are shared out in order:
the texts of all parts joined are the text, the words the words, the turns the turns. A cut is made
between words where it can be, between characters of a huge word where it must be.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from agent.core.model import Item, Segment, Turn, Window, Word

Size = Callable[[Item], int]
"""Bytes that an item takes on the wire with its envelope."""


def split_segment(segment: Segment, limit: int, size: Size) -> list[Segment]:
    """Segments whose texts joined are the text, each within `limit` bytes."""
    bare = replace(segment, text="", words=())
    pieces: list[Segment] = []
    words, text = segment.words, segment.text
    while words or text:
        share = _most_words(bare, words, limit // 2, size)
        piece = replace(bare, words=words[:share])
        if words and not share:
            piece = replace(bare, words=(replace(words[0], text=""),))  # its text is in the segment's text
            share = 1
        words = words[share:]
        kept = _most_text(piece, text, limit, size)
        kept = _between_words(text, kept if share else max(1, kept))
        pieces.append(replace(piece, text=text[:kept]))
        text = text[kept:]
    return pieces


def _most_words(bare: Segment, words: tuple[Word, ...], limit: int, size: Size) -> int:
    return _most(len(words), lambda n: size(replace(bare, words=words[:n])) <= limit)


def _most_text(piece: Segment, text: str, limit: int, size: Size) -> int:
    return _most(len(text), lambda n: size(replace(piece, text=text[:n])) <= limit)


def split_window(window: Window, limit: int, size: Size) -> list[tuple[Window, str]]:
    """Windows with a share of the turns each, and the piece of the window's text that goes with it.

    A turn that is cut appears in two parts with the same speaker and start.
    """
    budget = limit - 16  # the text of a part may begin with a line break, escaped
    pieces: list[tuple[Window, str]] = []
    turns: list[Turn] = []
    text = ""

    def close() -> None:
        nonlocal turns, text
        pieces.append((replace(window, turns=tuple(turns)), text))
        turns, text = [], ""

    for number, turn in enumerate(window.turns):
        rest = turn.text
        lead = ("\n" if number else "") + f"{turn.speaker.label}: "
        while True:
            room = _most(
                len(rest),
                lambda n, rest=rest, turn=turn: (  # type: ignore[misc]
                    size(replace(window, turns=(*turns, replace(turn, text=rest[:n])))) <= budget
                ),
            )
            fits = size(replace(window, turns=(*turns, replace(turn, text=rest[:room])))) <= budget
            if turns and (not fits or room < len(rest)):
                close()  # a turn is cut only when it does not fit into a part of its own
                continue
            room = max(1, _between_words(rest, room)) if rest else 0
            turns.append(replace(turn, text=rest[:room]))
            text += lead + rest[:room]
            rest, lead = rest[room:], ""
            if not rest:
                break
    close()
    return pieces


def _most(count: int, fits: Callable[[int], bool]) -> int:
    """The largest n in 0..count for which `fits(n)`; 0 when none does. `fits` must be monotone."""
    low, high = 0, count
    while low < high:
        middle = (low + high + 1) // 2
        if fits(middle):
            low = middle
        else:
            high = middle - 1
    return low


def _between_words(text: str, position: int) -> int:
    """`position` moved back to just after the last blank before it, if there is one near enough to matter."""
    if position >= len(text):
        return len(text)
    blank = text.rfind(" ", 0, position)
    return blank + 1 if blank > position // 2 else position
