"""Audio sent and not yet answered: what to send again, what an answer covers, what became a gap.

An utterance is a stretch of one track without a hole. On a recognizer session utterances lie one behind
the other, so the recognizer's seconds (audio sent on that session) lead back to a sample of the track. An
utterance stays until an answer covers it; a new session sends all that stay again. So nothing is lost by an
answer that never comes, and one that comes twice is known by the audio it covers (`replies`).

Sums (samples): `speech = answered + gap + open`, always; see `open_samples`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from agent.core.answers import Answer, Token
from agent.core.gate import Frame
from agent.core.matching import Double, Nowhere, Rest, Waiting, find, share
from agent.core.model import SAMPLE_RATE
from agent.core.replies import Replies
from agent.core.utterance import MIN_COMMIT_SAMPLES, Utterance

__all__ = ["Answer", "Answered", "Ledger", "Send", "SendCommit", "Token", "Utterance"]

MAX_TRIES = 5
"""Sessions that leave the same utterance unanswered before it may be given up."""
MOST_AWAITED = 8
"""Commits that may wait for their answer at once; providers bound that (`queue_overflow`)."""
MOST_AWAITED_SECONDS = 30.0
"""Audio, of committed utterances, that may wait for its answer at once."""


@dataclass(frozen=True, slots=True)
class Send:
    """Audio to be sent on the session now."""

    pcm: bytes


@dataclass(frozen=True, slots=True)
class SendCommit:
    """A commit to be sent on the session now."""


@dataclass(frozen=True, slots=True)
class Answered:
    """One utterance with its share of an answer."""

    utterance: Utterance
    answer: Answer
    """Tokens with times in samples of the track divided by the rate (seconds of the track)."""


class Ledger:
    """One track's ledger."""

    def __init__(self, limit_seconds: float) -> None:
        self._limit_seconds = limit_seconds
        self._open: deque[Utterance] = deque()
        self._replies = Replies()
        self._position = 0
        self._commits = 0
        self._tells_left = False
        self._furthest = 0
        self.open_samples = 0
        """Samples of speech that are neither answered nor a gap."""
        self.speech = self.sent = self.replayed = self.answered = self.gap = 0

    @property
    def oldest(self) -> Utterance | None:
        """The utterance whose answer is awaited first."""
        return self._open[0] if self._open else None

    @property
    def unanswered(self) -> Sequence[Utterance]:
        """All utterances that wait, oldest first; the last may still be growing."""
        return tuple(self._open)

    # ---- speech

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
            self.open_samples += frame.samples

    def commit(self) -> None:
        """The running utterance is over."""
        if self._open:
            self._open[-1].committed = True

    def overflow(self) -> list[Utterance]:
        """The oldest utterances beyond the limit; the caller gives them up.

        What was begun on the session comes last: it is paid for, and its answer may be near.
        """
        excess = self.open_samples - self._limit_seconds * SAMPLE_RATE
        beyond: list[Utterance] = []
        if excess <= 0:
            return beyond
        for utterance in sorted(self._open, key=lambda one: one.position is not None):
            if excess <= 0:
                break
            beyond.append(utterance)
            excess -= utterance.samples
        return beyond

    def hopeless(self, now: float) -> list[Utterance]:
        """Utterances that session after session left unanswered, for as long as audio is kept."""
        return [
            one
            for one in self._open
            if one.tries >= MAX_TRIES
            and one.first_commit_at is not None
            and now - one.first_commit_at >= self._limit_seconds
        ]

    def give_up(self, utterance: Utterance) -> None:
        """`utterance` will not be answered: it becomes a gap."""
        span = utterance.sent_span()
        if span is not None:
            self._replies.tell(utterance, span.last, None)
        self.gap += utterance.samples
        self._remove(utterance)

    # ---- sending

    @property
    def handed(self) -> tuple[int, int]:
        """Samples and commits handed over on the session so far."""
        return self._position, self._commits

    def begin_session(self, *, tells_left: bool = False) -> None:
        """A new recognizer session: all that is unanswered will be sent again, from its start.

        `tells_left`: `left` will be called as commits leave this host; else they are taken to leave at once.
        """
        self._replies = Replies()
        self._position = self._commits = 0
        self._tells_left = tells_left
        oldest = self.oldest
        if oldest is not None and oldest.commit_left_at is not None:
            oldest.tries += 1  # answers come in order, so the younger ones had no chance
        for utterance in self._open:
            utterance.rewind()

    @property
    def owes(self) -> bool:
        """True when the session has not answered all that it was sent."""
        return bool(self._open) and self._open[0].position is not None

    def next_sends(self, budget_samples: int, now: float, *, begin: bool = True) -> list[Send | SendCommit]:
        """What to send next, in order: at most about `budget_samples` of audio, then due commits.

        No utterance is begun on the session while too much of it waits for answers, or without `begin`.
        """
        sends: list[Send | SendCommit] = []
        commits = samples = 0
        for utterance in self._open:
            if utterance.commit_sent_at is not None:
                commits += 1
                samples += utterance.samples
                continue
            full = commits >= MOST_AWAITED or samples >= MOST_AWAITED_SECONDS * SAMPLE_RATE
            if utterance.position is None and (full or not begin):
                return sends
            if utterance.begun_at is None:
                utterance.begun_at = now
            while utterance.sent_frames < len(utterance.frames):
                if budget_samples <= 0:
                    return sends
                frame = utterance.next_frame(self._position)
                budget_samples -= frame.samples
                self._count(frame)
                sends.append(Send(frame.pcm))
            if not utterance.committed:
                break
            if missing := max(MIN_COMMIT_SAMPLES - utterance.samples, 0):
                self._position += missing
                self.sent += missing
                sends.append(Send(bytes(2 * missing)))
            self._commit_sent(utterance, now)
            sends.append(SendCommit())
            commits += 1
            samples += utterance.samples
        return sends

    def _commit_sent(self, utterance: Utterance, now: float) -> None:
        utterance.commit_sent(now)
        self._commits += 1
        utterance.commit_number = self._commits
        if not self._tells_left:
            utterance.commit_left_at = now

    def left(self, commits: int, now: float) -> None:
        """So many commits of the session have left this host."""
        for utterance in self._open:
            if utterance.commit_sent_at is None:
                break
            if utterance.commit_left_at is None and utterance.commit_number <= commits:
                utterance.commit_left_at = now

    def has_unsent(self) -> bool:
        """True while audio or a commit waits to be sent on this session."""
        return any(
            one.sent_frames < len(one.frames) or (one.committed and one.commit_sent_at is None)
            for one in reversed(self._open)
        )

    # ---- answers

    def interim(self, text: str) -> Utterance | None:
        """The utterance that an interim is about, or None when it says nothing new.

        A recognizer repeats the last text after a commit; such an echo is about no utterance.
        """
        target = next((one for one in self._open if one.position is not None), None)
        if target is None or not text or text == target.interim:
            return None
        if text == self._replies.last_text and not target.revision:
            return None
        target.interim = text
        return target

    def plain(self, text: str, now: float) -> None:
        """The copy of an answer that has no times: kept in case that the other copy never comes."""
        if self._awaited():
            self._replies.keep_plain(text, now)

    def plain_due(self) -> float | None:
        """Room time at which `settle_plain` has something to do, None when no copy without times waits."""
        return self._replies.due(len(self._awaited()))

    def settle_plain(self, now: float) -> list[Answered]:
        """The copies with times never came: take those without."""
        awaited = self._awaited()
        return self._settle_in_order(awaited, self._replies.take(len(awaited), now))

    def answer(self, answer: Answer, now: float) -> list[Answered]:
        """An answer. Returns the utterances it covers, oldest first; none for a double."""
        if not answer.timed:
            return self._answer_without_times(answer, now)
        if self._replies.is_copy(answer):
            return []
        waiting = [one for one in self._open if one.position is not None]
        spans = [one.span() for one in waiting]
        match find(answer.words, spans, self._replies.told, self._replies.rests):
            case Waiting(first, last):
                older = [one for one in waiting[:first] if one.commit_sent_at is not None]
                settled = self._settle_in_order(older, self._replies.take_older(answer, len(older)))
                return settled + self._settle_timed(answer, waiting[first : last + 1])
            case Rest(index):
                return [self._settle_rest(answer, index)]
            case Double():
                return []
            case Nowhere():
                return self._answer_without_times(replace(answer, tokens=()), now)

    def _answer_without_times(self, answer: Answer, now: float) -> list[Answered]:
        if not self._awaited():
            return []
        self._replies.keep_final(answer, now)
        return self.settle_plain(now)

    def _awaited(self) -> list[Utterance]:
        """Utterances whose commit was sent."""
        return [one for one in self._open if one.commit_sent_at is not None]

    def _settle_in_order(self, utterances: Sequence[Utterance], answers: Sequence[Answer]) -> list[Answered]:
        """Answers without times: as many as utterances, or none."""
        settled = []
        for utterance, answer in zip(utterances, answers, strict=False):
            span = utterance.span()
            covered = span.last if answer.text.strip() else span.first
            settled.append(self._settle(utterance, replace(answer, tokens=()), covered, answer))
        return settled

    def _settle_timed(self, answer: Answer, utterances: Sequence[Utterance]) -> list[Answered]:
        last = utterances[-1]
        if last.commit_sent_at is None:
            self._split(last, max(word.end for word in answer.words))
        spans = [one.span() for one in utterances]
        shares = share(answer.tokens, spans, self._replies.told)
        settled = []
        for utterance, tokens in zip(utterances, shares, strict=True):
            covered = max(
                (token.end for token in tokens if not token.spacing), default=utterance.span().first
            )
            settled.append(self._settle(utterance, answer.part(tokens), covered, answer))
        return settled

    def _settle_rest(self, answer: Answer, index: int) -> Answered:
        utterance = self._replies.tell_rest(index, max(word.end for word in answer.words), answer)
        utterance.begin_again()
        return Answered(utterance, _on_track(answer, utterance))

    def _settle(self, utterance: Utterance, part: Answer, covered: float, whole: Answer) -> Answered:
        """`utterance` is answered by `part` of the answer `whole`, its words known up to `covered`."""
        self._replies.tell(utterance, covered, whole)
        self.answered += utterance.samples
        self._remove(utterance)
        return Answered(utterance, _on_track(part, utterance))

    def _remove(self, utterance: Utterance) -> None:
        self._open.remove(utterance)
        self.open_samples -= utterance.samples
        utterance.frames = []  # its audio is not needed any more

    def _split(self, utterance: Utterance, at_seconds: float) -> None:
        """The recognizer committed by itself: what follows its last word is another utterance."""
        later = utterance.split(round(at_seconds * SAMPLE_RATE))
        if later is not None:
            self._open.insert(self._open.index(utterance) + 1, later)

    def _count(self, frame: Frame) -> None:
        self._position += frame.samples
        self.sent += frame.samples
        if frame.start < self._furthest:
            self.replayed += min(frame.end, self._furthest) - frame.start
        self._furthest = max(self._furthest, frame.end)


def _on_track(answer: Answer, utterance: Utterance) -> Answer:
    """The answer with its tokens' times on the track."""
    return replace(answer, tokens=tuple(utterance.on_track(token) for token in answer.tokens))
