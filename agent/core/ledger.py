"""Audio sent and not yet answered: what to send again, what an answer covers, what became a gap.

An utterance is a stretch of one track without a hole. On a recognizer session utterances lie one behind
the other, so the recognizer's seconds (audio sent on that session) lead back to a sample of the track. An
utterance stays until an answer covers it; a new session sends all that stay again. Answers are matched by
the audio they cover, not by counting: so one that comes twice is known, and one that never comes leaves
its utterance in the ledger.

Sums (samples): `speech = answered + gap + open`, always; see `open_samples`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from agent.core.gate import Frame
from agent.core.model import SAMPLE_RATE

MIN_COMMIT_SAMPLES = 3 * SAMPLE_RATE // 10
"""ElevenLabs refuses a commit of less than 0.3 s of new audio."""
REMEMBERED_SPANS = 64
"""Answered stretches of a session that are remembered to tell late doubles."""


@dataclass(frozen=True, slots=True)
class Token:
    """One piece of an answer, with times in seconds of audio sent on the session."""

    text: str
    start: float
    end: float
    spacing: bool = False
    """True for what stands between words."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the recognizer made of one commit."""

    text: str
    tokens: tuple[Token, ...] = ()
    """Empty when it gave no times."""
    language: str = ""
    confidence: float | None = None


@dataclass(slots=True, eq=False)
class Utterance:
    """A stretch of one track that is committed together."""

    start: int
    """Its first sample in the track."""
    frames: list[Frame] = field(default_factory=list)
    samples: int = 0
    committed: bool = False
    """The gate has ended it."""
    tries: int = 0
    """Sessions on which its commit was sent and never answered."""
    interim: str = ""
    """Last text shown to readers."""
    revision: int = 0
    """Versions shown to readers so far."""
    segment_id: str = ""
    position: int | None = None
    """Samples sent on this session before it; None while none of it was sent."""
    sent_frames: int = 0
    commit_sent_at: float | None = None
    """Room time of the commit on this session."""

    @property
    def end(self) -> int:
        """The first sample after it in the track."""
        return self.start + self.samples


@dataclass(frozen=True, slots=True)
class Send:
    """Audio to be sent on the session now."""

    pcm: bytes


@dataclass(frozen=True, slots=True)
class SendCommit:
    """A commit to be sent on the session now."""


@dataclass(frozen=True, slots=True)
class Answered:
    """One utterance that left the ledger with its share of an answer."""

    utterance: Utterance
    answer: Answer
    """Tokens with times in samples of the track divided by the rate (seconds of the track)."""


class Ledger:
    """One track's ledger."""

    def __init__(self, limit_seconds: float) -> None:
        self._limit_samples = round(limit_seconds * SAMPLE_RATE)
        self._open: deque[Utterance] = deque()
        self._spans: deque[tuple[int, int]] = deque(maxlen=REMEMBERED_SPANS)
        self._position = 0
        self._furthest = 0
        self._last_text = ""
        self._plain: list[tuple[str, float]] = []
        self.speech = self.sent = self.replayed = self.answered = self.gap = 0

    @property
    def open_samples(self) -> int:
        """Samples of speech that are neither answered nor a gap."""
        return sum(utterance.samples for utterance in self._open)

    @property
    def oldest(self) -> Utterance | None:
        """The utterance whose answer is awaited first."""
        return self._open[0] if self._open else None

    @property
    def unanswered(self) -> Sequence[Utterance]:
        """All utterances that wait, oldest first; the last may still be growing."""
        return tuple(self._open)

    def append(self, frames: Iterable[Frame]) -> None:
        """Speech from the gate: goes on with the running utterance or begins one."""
        for frame in frames:
            current = self._open[-1] if self._open and not self._open[-1].committed else None
            if current is None or current.end != frame.start:
                if current is not None:
                    current.committed = True  # frames in between are missing: never bridge a hole
                current = Utterance(start=frame.start)
                self._open.append(current)
            current.frames.append(frame)
            current.samples += frame.samples
            self.speech += frame.samples

    def commit(self) -> None:
        """The running utterance is over."""
        if self._open:
            self._open[-1].committed = True

    def overflow(self) -> list[Utterance]:
        """The oldest utterances beyond the limit; the caller gives them up."""
        excess = self.open_samples - self._limit_samples
        beyond = []
        for utterance in self._open:
            if excess <= 0:
                break
            beyond.append(utterance)
            excess -= utterance.samples
        return beyond

    def give_up(self, utterance: Utterance) -> None:
        """`utterance` will not be answered: it becomes a gap."""
        self._open.remove(utterance)
        self.gap += utterance.samples

    def begin_session(self) -> None:
        """A new recognizer session: all that is unanswered will be sent again, from its start."""
        self._spans.clear()
        self._plain.clear()
        self._position = 0
        self._last_text = ""
        for utterance in self._open:
            if utterance.commit_sent_at is not None:
                utterance.tries += 1
            utterance.position = utterance.commit_sent_at = None
            utterance.sent_frames = 0

    def next_sends(self, budget_samples: int, now: float) -> list[Send | SendCommit]:
        """What to send next, in order: at most about `budget_samples` of audio, then due commits."""
        sends: list[Send | SendCommit] = []
        for utterance in self._open:
            if utterance.commit_sent_at is not None:
                continue
            if utterance.position is None:
                utterance.position = self._position
            while utterance.sent_frames < len(utterance.frames):
                if budget_samples <= 0:
                    return sends
                frame = utterance.frames[utterance.sent_frames]
                utterance.sent_frames += 1
                budget_samples -= frame.samples
                self._count(frame)
                sends.append(Send(frame.pcm))
            if not utterance.committed:
                break
            sends.extend(self._pad(utterance))
            utterance.commit_sent_at = now
            sends.append(SendCommit())
        return sends

    def has_unsent(self) -> bool:
        """True while audio or a commit waits to be sent on this session."""
        return any(
            one.sent_frames < len(one.frames) or (one.committed and one.commit_sent_at is None)
            for one in self._open
        )

    def interim(self, text: str) -> Utterance | None:
        """The utterance that an interim is about, or None when it says nothing new.

        A recognizer repeats the last text after a commit; such an echo is about no utterance.
        """
        target = next((one for one in self._open if one.position is not None), None)
        if target is None or not text or text == target.interim:
            return None
        if text == self._last_text and not target.revision:
            return None
        target.interim = text
        return target

    def plain(self, text: str, now: float) -> None:
        """The copy of an answer that has no times: kept in case that the other copy never comes."""
        if text != self._last_text:
            self._plain.append((text, now))

    def plain_since(self) -> float | None:
        """Room time at which the oldest copy without times came, None when none waits."""
        return self._plain[0][1] if self._plain else None

    def settle_plain(self) -> list[Answered]:
        """The copy with times never came: take the one without."""
        text, _ = self._plain.pop(0)
        return self._settle_oldest(Answer(text))

    def answer(self, answer: Answer) -> list[Answered]:
        """An answer with times. Returns the utterances it covers, oldest first; none for a double."""
        words = [token for token in answer.tokens if not token.spacing]
        if not words:
            return self._settle_oldest(answer)
        shares = [(self._overlap(words, span), None) for span in self._spans]
        known: list[tuple[float, Utterance | None]] = [
            *shares,
            *((self._overlap(words, self._span(one)), one) for one in self._open if one.position is not None),
        ]
        if not known:
            return []
        best, target = max(known, key=lambda share: share[0])
        if target is None:
            return self._settle_oldest(answer) if best <= 0 else []
        if best <= 0:
            target = self.oldest
            assert target is not None
        return self._settle_until(target, answer)

    def _settle_oldest(self, answer: Answer) -> list[Answered]:
        oldest = self.oldest
        if oldest is None or oldest.commit_sent_at is None:
            return []
        return [self._settle(oldest, answer, answer.tokens)]

    def _settle_until(self, target: Utterance, answer: Answer) -> list[Answered]:
        """`target` gets the answer; older ones get the tokens that lie clearly in them."""
        if target.commit_sent_at is None:
            self._split_at_sent(target)
        rest = list(answer.tokens)
        settled = []
        for utterance in [one for one in self._open if one.position is not None]:
            if utterance is target:
                break
            first, last = self._span(utterance)
            share = [token for token in rest if first <= _middle(token) * SAMPLE_RATE < last]
            if any(not token.spacing for token in share):
                rest = [token for token in rest if token not in share]
                settled.append(self._settle(utterance, _part(answer, share), share))
        whole = answer if len(rest) == len(answer.tokens) else _part(answer, rest)
        settled.append(self._settle(target, whole, rest))
        return settled

    def _settle(self, utterance: Utterance, answer: Answer, tokens: Sequence[Token]) -> Answered:
        self._open.remove(utterance)
        self.answered += utterance.samples
        self._spans.append(self._span(utterance))
        self._last_text = answer.text
        self._plain = [(text, at) for text, at in self._plain if text != answer.text]
        mapped = tuple(self._to_track(utterance, token) for token in tokens)
        return Answered(utterance, Answer(answer.text, mapped, answer.language, answer.confidence))

    def _split_at_sent(self, utterance: Utterance) -> None:
        """The recognizer committed by itself: what was sent is one utterance, the rest the next."""
        kept, rest = utterance.frames[: utterance.sent_frames], utterance.frames[utterance.sent_frames :]
        if rest:
            later = Utterance(start=rest[0].start, frames=rest, committed=utterance.committed)
            later.samples = sum(frame.samples for frame in rest)
            self._open.insert(self._open.index(utterance) + 1, later)
        utterance.frames = kept
        utterance.samples = sum(frame.samples for frame in kept)
        utterance.committed = True

    def _to_track(self, utterance: Utterance, token: Token) -> Token:
        """Session seconds -> seconds of the track, inside the utterance."""
        shift = utterance.start - (utterance.position or 0)
        low, high = utterance.start / SAMPLE_RATE, utterance.end / SAMPLE_RATE
        start = min(max(token.start + shift / SAMPLE_RATE, low), high)
        end = min(max(token.end + shift / SAMPLE_RATE, start), high)
        return Token(token.text, start, end, token.spacing)

    def _span(self, utterance: Utterance) -> tuple[int, int]:
        position = utterance.position or 0
        return position, position + max(utterance.samples, MIN_COMMIT_SAMPLES)

    def _overlap(self, words: Sequence[Token], span: tuple[int, int]) -> float:
        """Seconds of `words` that lie in `span` (samples of the session)."""
        first, last = span[0] / SAMPLE_RATE, span[1] / SAMPLE_RATE
        return sum(max(0.0, min(word.end, last) - max(word.start, first)) for word in words)

    def _count(self, frame: Frame) -> None:
        self._position += frame.samples
        self.sent += frame.samples
        if frame.start < self._furthest:
            self.replayed += frame.samples
        self._furthest = max(self._furthest, frame.end)

    def _pad(self, utterance: Utterance) -> list[Send]:
        missing = MIN_COMMIT_SAMPLES - utterance.samples
        if missing <= 0:
            return []
        self._position += missing
        self.sent += missing
        return [Send(bytes(2 * missing))]


def _middle(token: Token) -> float:
    return (token.start + token.end) / 2


def _part(answer: Answer, tokens: Sequence[Token]) -> Answer:
    text = "".join(token.text for token in tokens)
    if not any(token.spacing for token in tokens):
        text = " ".join(token.text for token in tokens)
    return Answer(text.strip(), tuple(tokens), answer.language, answer.confidence)
