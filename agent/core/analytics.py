"""Who talked how much, when, and how fast they answered: from segments and gaps alone.

What the figures mean (docs/api.md says it to readers):

- talk: the time that a speaker's segments cover; two tracks of one speaker, or a rejoin, count once.
- aside: a segment that lies wholly inside another speaker's: it is talk, but does not take the floor.
- turn: what one speaker says, asides left out, before another one takes the floor.
- monologue: a stretch of a turn without a silence.
- silence: nobody speaks for two seconds or more, between the first word and the last one. Where something is
  missing (a gap) nobody can say that it was silent. One inside a speaker's turn is also that speaker's.
- response: a candidate takes the floor after somebody who is none. It takes from the end of what was said
  before to the candidate's first word: below 0 when it began earlier, unknown when there is a gap between.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median

from agent.core.model import Gap, Segment, Speaker
from agent.core.spans import Span, length, shared, union, within, without
from agent.core.words import count_words

SILENCE_SECONDS = 2.0
CANDIDATE = "candidate"
"""The role that answers."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of time."""

    start: float
    """Room time, seconds."""
    end: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Several:
    """Stretches of one kind."""

    count: int
    seconds: float
    """All together."""
    longest: Stretch | None
    """None when there is none."""


@dataclass(frozen=True, slots=True)
class Response:
    """A candidate's taking the floor after a question, or whatever else was said before."""

    asked_by: Speaker
    """Who spoke last before it."""
    question: str
    """That speaker's turn."""
    asked_until: float
    """Room time of the last word before it by anybody who is no candidate."""
    answered_by: Speaker
    answered_at: float
    """Room time of the first word."""
    seconds: float | None
    """Between the two; below 0 when they overlap, None when a gap lies between."""


@dataclass(frozen=True, slots=True)
class SpeakerFigures:
    """The figures of one speaker."""

    speaker: Speaker
    talk_seconds: float
    share: float
    """Of the talk of all speakers together; 0 to 1."""
    segments: int
    words: int
    words_a_minute: float | None
    """Per minute of talk; None without talk."""
    turns: int
    longest_monologue: Stretch | None
    overlaps: Several
    """Talking while somebody else does."""
    silences: Several
    """Inside this speaker's turns."""
    responses: int
    """Those whose time is known."""
    response_seconds_median: float | None
    response_seconds_longest: float | None
    gap_seconds: float
    """Missing: all figures are without it."""


@dataclass(frozen=True, slots=True)
class Analytics:
    """The figures of a session."""

    talk_seconds: float
    """In which somebody talks."""
    words: int
    turns: int
    overlaps: Several
    silences: Several
    gap_seconds: float
    """In which something of somebody is missing."""
    speakers: tuple[SpeakerFigures, ...] = ()
    """In order of first appearance."""
    responses: tuple[Response, ...] = ()
    """In order of time."""


@dataclass(slots=True)
class _Turn:
    speaker: Speaker
    segments: list[Segment] = field(default_factory=list)

    @property
    def span(self) -> Span:
        return _ms(self.segments[0].start), max(_ms(segment.end) for segment in self.segments)


def analyse(segments: Iterable[Segment], gaps: Iterable[Gap] = ()) -> Analytics:
    """The figures of a session's final segments and gaps, in any order."""
    ordered = sorted(segments, key=lambda segment: (segment.start, -segment.end))
    missing = list(gaps)
    named = [*(one.speaker for one in ordered), *(one.speaker for one in missing)]
    speakers = {speaker.identity: speaker for speaker in named}
    talk = {who: union(_span(one) for one in ordered if one.speaker.identity == who) for who in speakers}
    lost = union(_span(gap) for gap in missing)
    turns = _turns(ordered)
    overlaps = shared(talk.values())
    silences = _silences(talk.values(), lost)
    responses = _responses(turns, lost)
    whole = sum(map(length, talk.values()))
    return Analytics(
        talk_seconds=length(union(span for spans in talk.values() for span in spans)) / 1000,
        words=sum(map(_words, ordered)),
        turns=len(turns),
        overlaps=_several(overlaps),
        silences=_several(silences),
        gap_seconds=length(lost) / 1000,
        speakers=tuple(
            _figures(
                speaker,
                talk=talk[who],
                whole=whole,
                said=[one for one in ordered if one.speaker.identity == who],
                turns=[turn for turn in turns if turn.speaker.identity == who],
                overlaps=overlaps,
                silences=silences,
                responses=[one for one in responses if one.answered_by.identity == who],
                lost=union(_span(gap) for gap in missing if gap.speaker.identity == who),
            )
            for who, speaker in speakers.items()
        ),
        responses=tuple(responses),
    )


def _figures(
    speaker: Speaker,
    *,
    talk: list[Span],
    whole: int,
    said: Sequence[Segment],
    turns: Sequence[_Turn],
    overlaps: list[Span],
    silences: list[Span],
    responses: Sequence[Response],
    lost: list[Span],
) -> SpeakerFigures:
    talked = length(talk)
    words = sum(map(_words, said))
    known = [response.seconds for response in responses if response.seconds is not None]
    return SpeakerFigures(
        speaker=speaker,
        talk_seconds=talked / 1000,
        share=talked / whole if whole else 0.0,
        segments=len(said),
        words=words,
        words_a_minute=words / (talked / 60_000) if talked else None,
        turns=len(turns),
        longest_monologue=_longest([span for turn in turns for span in _monologues(turn)]),
        overlaps=_several(within(talk, overlaps)),
        silences=_several(within(silences, union(turn.span for turn in turns))),
        responses=len(known),
        response_seconds_median=median(known) if known else None,
        response_seconds_longest=max(known, default=None),
        gap_seconds=length(lost) / 1000,
    )


def _turns(ordered: Sequence[Segment]) -> list[_Turn]:
    """Runs of one speaker's segments that are no asides."""
    turns: list[_Turn] = []
    latest: dict[str, float] = {}
    for segment in ordered:
        who = segment.speaker.identity
        aside = any(end >= segment.end for other, end in latest.items() if other != who)
        latest[who] = max(latest.get(who, segment.end), segment.end)
        if aside:
            continue
        if not turns or turns[-1].speaker.identity != who:
            turns.append(_Turn(segment.speaker))
        turns[-1].segments.append(segment)
    return turns


def _monologues(turn: _Turn) -> list[Span]:
    """The turn, cut at its silences."""
    found: list[Span] = []
    for segment in turn.segments:
        start, end = _span(segment)
        if found and start - found[-1][1] < SILENCE_SECONDS * 1000:
            found[-1] = found[-1][0], max(found[-1][1], end)
        else:
            found.append((start, end))
    return found


def _silences(talk: Iterable[Sequence[Span]], lost: list[Span]) -> list[Span]:
    spoken = union(span for spans in talk for span in spans)
    if not spoken:
        return []
    still = without([(spoken[0][0], spoken[-1][1])], union([*spoken, *lost]))
    return [span for span in still if span[1] - span[0] >= SILENCE_SECONDS * 1000]


def _responses(turns: Sequence[_Turn], lost: list[Span]) -> list[Response]:
    found: list[Response] = []
    asked: _Turn | None = None
    until = 0
    for turn in turns:
        start = turn.span[0]
        if turn.speaker.role.casefold() != CANDIDATE:
            until = turn.span[1] if asked is None else max(until, turn.span[1])
            asked = turn
        elif asked is not None:
            unknown = bool(within([(until, start)], lost)) if until < start else False
            found.append(
                Response(
                    asked_by=asked.speaker,
                    question=" ".join(segment.text for segment in asked.segments),
                    asked_until=until / 1000,
                    answered_by=turn.speaker,
                    answered_at=start / 1000,
                    seconds=None if unknown else (start - until) / 1000,
                )
            )
            asked = None
    return found


def _several(spans: Sequence[Span]) -> Several:
    return Several(len(spans), length(spans) / 1000, _longest(spans))


def _longest(spans: Sequence[Span]) -> Stretch | None:
    """The longest one, the first of several."""
    if not spans:
        return None
    start, end = max(spans, key=lambda span: span[1] - span[0])
    return Stretch(start / 1000, end / 1000, (end - start) / 1000)


def _words(segment: Segment) -> int:
    return count_words(segment.text)


def _span(item: Segment | Gap) -> Span:
    return _ms(item.start), _ms(item.end)


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
