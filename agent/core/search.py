"""Finding words in what was said: the same words in every store, whatever the language.

A text is cut into words here, and nowhere else: the indexes of the databases get words that are ready, and
do not cut, stem or fold anything themselves. Case, accents, strokes, hooks and the dot of an i make no
difference, nor do points of Hebrew and Arabic (docs/api.md says what does). What is written without blanks
between words (Chinese, Japanese, Thai, …), and Korean, whose words carry their endings, is cut into its
characters, and found as a row of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from unicodedata import category, combining, lookup, name, normalize

FOLDING = 2
"""Number of the rules by which words are cut and folded: one more with each change of them.

Stores keep it beside the words, and index anew what an older program has indexed.
"""

MAX_CHARS = 16_000
"""Of one text: the rest of it is not found. 40 times what anybody says in the 20 s of a segment."""
MAX_WORD_CHARS = 255
"""Of one word: longer ones are told apart by their beginnings."""

_ASCII_WORD = re.compile(r"[a-z0-9]+")
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u2e80-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff"
    "\U0001b000-\U0001b16f\U00020000-\U0003ffff]"
)
_MADE_OF = re.compile(
    "LATIN SMALL (?:LETTER|LIGATURE) (?P<vowels>[AEOUY]{2})"
    "|(?P<script>LATIN|CYRILLIC) SMALL LETTER (?=.* WITH |DOTLESS )(?:DOTLESS )?(?P<base>.+?)(?: WITH .+)?"
)
"""Unicode's names of letters that are made of others."""
_QUOTED = re.compile('["“”„]')


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words that must follow each other."""

    words: tuple[str, ...]
    """As `words_of` cuts them; at least one."""
    prefix: bool = False
    """True: the last one may go on."""

    def is_in(self, words: Sequence[str]) -> bool:
        """True when `words` hold the phrase."""
        *first, last = self.words
        for place in range(len(words) - len(first)):
            end = words[place + len(first)]
            if (end.startswith(last) if self.prefix else end == last) and all(
                one == words[place + index] for index, one in enumerate(first)
            ):
                return True
        return False


@dataclass(frozen=True, slots=True)
class Search:
    """What is searched for: a text that holds all of the phrases."""

    phrases: tuple[Phrase, ...]
    """None: nothing is found."""

    def finds(self, text: str) -> bool:
        """True when the text holds all phrases, in any order."""
        words = words_of(text)
        return bool(self.phrases) and all(phrase.is_in(words) for phrase in self.phrases)


def parse_search(text: str) -> Search:
    """`kafka "event sourcing" migrat*`: all words, in any order; a phrase in quotes; beginnings of words.

    Nothing else has a meaning, so that any text can be searched for. A word that `words_of` cuts into several
    ("don't") is a phrase; one that holds no letter or digit is none.
    """
    return Search(tuple(phrase for part in _parts(text) if (phrase := _phrase(part))))


def _parts(text: str) -> Iterator[str]:
    """What is in quotes, and the words outside of them; a quote that is not closed reaches to the end."""
    for number, part in enumerate(_QUOTED.split(text)):
        if number % 2:
            yield part
        else:
            yield from part.split()


def _phrase(part: str) -> Phrase | None:
    words = tuple(words_of(part))
    return Phrase(words, prefix=part.endswith("*")) if words else None


def words_of(text: str) -> list[str]:
    """The words of a text in their order, folded: letters, digits and the marks that belong to them."""
    text = text[:MAX_CHARS]
    if text.isascii():
        return [word[:MAX_WORD_CHARS] for word in _ASCII_WORD.findall(text.lower())]
    return [word[:MAX_WORD_CHARS] for word in _cut(_folded(text))]


def _folded(text: str) -> str:
    """Without case, widths, accents, and what else is added to a letter."""
    return normalize("NFKC", _plain(normalize("NFKD", text).casefold()))


def _plain(text: str) -> str:
    return "".join(one if one.isascii() else _base(one) for one in normalize("NFKD", text))


@lru_cache(4096)
def _base(letter: str) -> str:
    """What is left of a letter, or of a mark: "" when it is an accent.

    Letters with a stroke, a hook, a descender … are letters of their own for Unicode, and have no
    decomposition. Their names say what they are made of: LATIN SMALL LETTER D WITH STROKE is a D.
    """
    if _is_accent(letter):
        return ""
    made = _MADE_OF.fullmatch(name(letter, ""))
    if made is None:
        return letter
    if made["vowels"]:
        return made["vowels"].lower()
    try:
        base = lookup(f"{made['script']} SMALL LETTER {made['base']}")
    except KeyError:  # LATIN SMALL LETTER TWO WITH STROKE
        return letter
    return _plain(base)


def _is_accent(one: str) -> bool:
    """Accents, strokes, points of Hebrew and Arabic; not vowels of Devanagari, nor what makes か into が."""
    kind = combining(one)
    return kind == 1 or 10 <= kind <= 36 or kind >= 200


def _cut(text: str) -> Iterator[str]:
    word = ""
    alone = False
    """The word is one character with its marks."""
    for one in text:
        match category(one):
            case "Cf":
                pass  # joins, hyphens and directions that nobody sees
            case "Mn" | "Mc" | "Me":
                word += one if word else ""
            case kind if kind[0] in "LN":
                unspaced = _UNSPACED.match(one) is not None
                if word and (unspaced or alone):
                    yield word
                    word = ""
                word += one
                alone = unspaced
            case _:
                if word:
                    yield word
                word, alone = "", False
    if word:
        yield word
