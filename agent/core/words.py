"""How many words a text has: the one count, for segments, windows, sums and analytics.

Words are what stands between blanks, without what holds no letter or digit (a dash, an emoji). Text of
languages that put no blanks between words (Chinese, Japanese, Thai, …) is cut by Unicode's rules for words
(UAX 29) with ICU's dictionaries. Sounds that a recognizer names, such as `(laughter)`, are not words.
"""

from __future__ import annotations

import re

_SOUND = re.compile(r"\([^()]*\)|\[[^\[\]]*\]|（[^（）]*）")
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u1950-\u19df\u1a20-\u1aaf\u2e80-\u312f\u3190-\u9fff\ua9e0-\ua9ff"
    "\uaa60-\uaadf\uf900-\ufaff\uff66-\uff9f\U0001b000-\U0001b16f\U00020000-\U0003ffff]"
)
"""Han, kana and bopomofo; Thai, Lao, Myanmar, Khmer and their like. Korean has blanks."""


def count_words(text: str) -> int:
    """How many words a text has."""
    return sum(map(_words_in, _SOUND.sub(" ", text).split()))


def _words_in(chunk: str) -> int:
    if _UNSPACED.search(chunk) is None:
        return int(any(map(str.isalnum, chunk)))
    # 40 MB of dictionaries are mapped, which who only hears other languages need not wait for
    from icu4py.breakers import WordBreaker  # noqa: PLC0415

    return sum(any(map(str.isalnum, part)) for part in WordBreaker(chunk, "en"))
