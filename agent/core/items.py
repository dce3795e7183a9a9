"""What readers get of one track: utterances and answers made into segments and gaps in room time."""

from __future__ import annotations

from collections import deque

from agent.core.answers import Answer, Token
from agent.core.ledger import Answered
from agent.core.model import SAMPLE_RATE, Gap, Reason, Segment, Speaker, Word
from agent.core.text import clean_text
from agent.core.timeline import Timeline
from agent.core.utterance import Utterance

REMEMBERED = 256
"""Newest segments whose numbers are not given again; later ones begin later."""

_NOTHING = Answer("")


class ItemMaker:
    """Makes the segments and gaps of one track; counts their revisions."""

    def __init__(
        self, speaker: Speaker, track_sid: str, source: str, timeline: Timeline, *, language: str = ""
    ) -> None:
        """`language` is that of finals whose answer names none."""
        self._language = language
        self._speaker = speaker
        self._track_sid = track_sid
        self._source = source
        self._timeline = timeline
        self._numbers: deque[int] = deque(maxlen=REMEMBERED)

    def interim(self, utterance: Utterance) -> Segment:
        """The utterance's text so far."""
        return self._segment(utterance, utterance.interim, final=False)

    def final(self, answered: Answered) -> Segment | None:
        """The utterance's final text; None when nothing was said and nothing had been shown.

        When an interim had been shown for what turned out to be nothing, a final without text takes it back.
        """
        utterance, answer = answered.utterance, answered.answer
        text = clean(answer.text)
        if not text:
            return self._segment(utterance, "", final=True) if utterance.revision else None
        return self._segment(utterance, text, final=True, words=self._words(answered), answer=answer)

    def lost(self, utterance: Utterance, reason: Reason) -> list[Segment | Gap]:
        """The gap of an utterance that was given up; shown interims are taken back."""
        items: list[Segment | Gap] = [self.gap(*self._span(utterance), reason)]
        if utterance.revision:
            items.append(self._segment(utterance, "", final=True))
        return items

    def gap(self, start: float, end: float, reason: Reason) -> Gap:
        """A gap of this track; room time, seconds."""
        return Gap(self._speaker, self._track_sid, start, end, reason)

    def _segment(
        self,
        utterance: Utterance,
        text: str,
        *,
        final: bool,
        words: tuple[Word, ...] = (),
        answer: Answer = _NOTHING,
    ) -> Segment:
        start, end = self._span(utterance)
        utterance.segment_id = utterance.segment_id or self._new_id(start)
        utterance.revision += 1
        return Segment(
            segment_id=utterance.segment_id,
            revision=utterance.revision,
            final=final,
            speaker=self._speaker,
            track_sid=self._track_sid,
            source=self._source,
            start=min((word.start for word in words), default=start),
            end=max((word.end for word in words), default=end),
            text=clean(text),
            words=words,
            language=answer.language or (self._language if final and text else ""),
            confidence=answer.confidence,
        )

    def _new_id(self, start: float) -> str:
        """Unique in the session: the track and the millisecond, or the next free one after it."""
        number = max(round(start * 1000), 0)
        while number in self._numbers:
            number += 1
        self._numbers.append(number)
        return f"{self._track_sid}-{number}"

    def _words(self, answered: Answered) -> tuple[Word, ...]:
        tokens = [token for token in answered.answer.words if clean(token.text)]
        if not tokens:
            tokens = _spread(answered.answer.text, answered.utterance)
        words = []
        for token in tokens:
            start = self._timeline.room_time(round(token.start * SAMPLE_RATE))
            end = self._timeline.end_time(round(token.end * SAMPLE_RATE))
            words.append(Word(clean(token.text), start, max(start, end)))
        return tuple(words)

    def _span(self, utterance: Utterance) -> tuple[float, float]:
        return self._timeline.room_time(utterance.start), self._timeline.end_time(utterance.end)


def clean(text: str) -> str:
    """`text` as it can be stored and sent anywhere (`agent.core.text`), without blanks around it."""
    return clean_text(text).strip()


def _spread(text: str, utterance: Utterance) -> list[Token]:
    """Words of an answer without times, spread over the utterance by their length (an estimate)."""
    parts = clean(text).split()
    length = sum(len(part) + 1 for part in parts)
    start = utterance.start / SAMPLE_RATE
    seconds = utterance.samples / SAMPLE_RATE
    tokens: list[Token] = []
    done = 0
    for part in parts:
        begin = start + seconds * done / length
        done += len(part) + 1
        tokens.append(Token(part, begin, start + seconds * done / length))
    return tokens
