"""The text of a segment in the pieces between which a line may be broken, each with its time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from agent.core.exports.clock import milliseconds
from agent.core.exports.graphemes import chunks, graphemes, is_wide, width
from agent.core.exports.plain import one_line
from agent.core.model import Segment, Word
from agent.core.windows import pieces

_GLUED_COLUMNS = 21
"""Words that the recognizer gives without a blank between them stay together up to here (`twenty` `-one`);
beyond it they are a script without blanks, whose words are where lines may be broken."""
_CLOSING = frozenset(
    "、。，．・：；？！）」』】〕〉》”’…‥ー々ゝゞ%％,.!?:;)]}ぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮ"
)
_OPENING = frozenset("（「『【〔〈《“‘([{")


@dataclass(frozen=True, slots=True)
class Fragment:
    """A word, or a piece of one that is too long or of a script without blanks."""

    text: str
    """One line, without blanks."""
    start_ms: int
    end_ms: int
    """Never before `start_ms`."""
    glued: bool
    """No blank stands between it and the fragment before it."""
    columns: int
    """How wide it is in a fixed-width font."""


def fragments(segment: Segment, columns: int) -> list[Fragment]:
    """All of the segment's text in order, no fragment wider than `columns`, starts never falling.

    Without times of words, or with words that are not those of the text, the text is spread over the
    segment's time by its length.
    """
    parts = pieces(segment)
    if "".join(text for _, text in parts) != segment.text + " ":
        parts = [(Word(segment.text, segment.start, segment.end), segment.text)]
    return list(_rising(_cut(_merged(_spread(parts)), columns)))


def _spread(parts: Iterable[tuple[Word, str]]) -> Iterator[Fragment]:
    """Each word between blanks, with its share of its piece's time."""
    glued = True
    for word, raw in parts:
        text = one_line(raw)
        begin = milliseconds(word.start)
        span = max(milliseconds(word.end) - begin, 0)
        tokens = text.split()
        total, done = sum(map(len, tokens)), 0
        for place, token in enumerate(tokens):
            start = begin + span * done // total
            done += len(token)
            joined = glued and not text[0].isspace() if place == 0 else False
            yield Fragment(token, start, begin + span * done // total, joined, width(token))
        if text:
            glued = not text[-1].isspace() and (bool(tokens) or glued)


def _merged(found: Iterable[Fragment]) -> Iterator[Fragment]:
    """What belongs together and was given apart, together."""
    last: Fragment | None = None
    for one in found:
        if last and one.glued and _belong(last, one):
            last = Fragment(
                last.text + one.text,
                last.start_ms,
                max(last.end_ms, one.end_ms),
                last.glued,
                width(last.text + one.text),
            )
            continue
        if last:
            yield last
        last = one
    if last:
        yield last


def _belong(last: Fragment, one: Fragment) -> bool:
    if is_wide(last.text[-1]) or is_wide(one.text[0]):
        return not _may_break(last.text[-1], one.text[0])
    return last.columns + one.columns <= _GLUED_COLUMNS


def _may_break(before: str, after: str) -> bool:
    """Between two characters of a script without blanks: not before what closes, not after what opens."""
    return (is_wide(before) or is_wide(after)) and after not in _CLOSING and before not in _OPENING


def _cut(found: Iterable[Fragment], columns: int) -> Iterator[Fragment]:
    """Wide scripts between their characters, and what is wider than a line."""
    for one in found:
        if one.text.isascii() and one.columns <= columns:
            yield one
            continue
        texts = [piece for text in _wide_pieces(one.text) for piece in chunks(text, columns)]
        if len(texts) == 1:
            yield one
            continue
        span, total, done = one.end_ms - one.start_ms, len(one.text), 0
        for place, text in enumerate(texts):
            start = one.start_ms + span * done // total
            done += len(text)
            end = one.start_ms + span * done // total
            yield Fragment(text, start, end, one.glued if place == 0 else True, width(text))


def _rising(found: Iterable[Fragment]) -> Iterator[Fragment]:
    """None begins before the one before it, whatever the recognizer thinks."""
    earliest = 0
    for one in found:
        earliest = max(earliest, one.start_ms)
        yield replace(one, start_ms=earliest, end_ms=max(earliest, one.end_ms))


def _wide_pieces(text: str) -> list[str]:
    if not any(map(is_wide, text)):
        return [text]
    found: list[str] = []
    for grapheme in graphemes(text):
        if found and not _may_break(found[-1][-1], grapheme[0]):
            found[-1] += grapheme
        else:
            found.append(grapheme)
    return found
