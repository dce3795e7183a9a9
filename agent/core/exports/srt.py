"""SubRip: numbered cues, `label: ` before the text of each.

There is no standard. Lines end with LF, as those of most programs that write SRT today do; every reader takes
it. There is no escaping either: what readers take for markup is written in its full-width form (`<` as `＜`),
which Unicode's NFKC turns back. Text that is written from right to left is embedded as such.
"""

from __future__ import annotations

from agent.core.exports.clock import timestamp
from agent.core.exports.cues import Cue, cues
from agent.core.exports.graphemes import graphemes, width
from agent.core.exports.plain import embedded, is_right_to_left
from agent.core.exports.record import Record

LABEL_COLUMNS = 30
"""Of a longer label the middle is left out, so that there is room for words."""
_FULL_WIDTH = str.maketrans("<>{}\\", "＜＞｛｝＼")


def render(record: Record) -> str:
    """Number, times and one or two lines of text a cue; a gap is a cue too. Empty when there is none."""
    found = cues(record, lambda label: width(f"{_shortened(label)}:"))
    return "\n".join(_block(number, cue) for number, cue in enumerate(found, start=1))


def _block(number: int, cue: Cue) -> str:
    label = _shortened(cue.label).translate(_FULL_WIDTH)
    texts = [line.translate(_FULL_WIDTH) for line in cue.lines]
    if is_right_to_left(cue.text):
        texts = [embedded(text) for text in texts]
    texts[0] = f"{label}: {texts[0]}".rstrip()
    times = f"{timestamp(cue.start_ms, ',')} --> {timestamp(cue.end_ms, ',')}"
    return "\n".join([str(number), times, *texts, ""])


def _shortened(label: str) -> str:
    """Its beginning and its end: `interviewer from the other com…y 2`."""
    if width(label) <= LABEL_COLUMNS:
        return label
    characters = graphemes(label)
    head, tail = "", ""
    while width(head + characters[0]) <= LABEL_COLUMNS * 2 // 3:
        head += characters.pop(0)
    while characters and width(head + characters[-1] + tail) < LABEL_COLUMNS:
        tail = characters.pop() + tail
    return f"{head}…{tail}"
