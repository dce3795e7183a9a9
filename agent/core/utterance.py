"""A stretch of speech of one track, and where it lies on the recognizer session."""

from __future__ import annotations

from dataclasses import dataclass, field

from agent.core.answers import Token
from agent.core.gate import Frame
from agent.core.matching import Span
from agent.core.model import SAMPLE_RATE

MIN_COMMIT_SAMPLES = 3 * SAMPLE_RATE // 10
"""ElevenLabs refuses a commit of less than 0.3 s of new audio."""


@dataclass(slots=True, eq=False)
class Utterance:
    """A stretch of one track that is committed together."""

    start: int
    """Its first sample in the track."""
    frames: list[Frame] = field(default_factory=list)
    """Its audio; empty once it is answered or given up."""
    samples: int = 0
    committed: bool = False
    """The gate has ended it."""
    tries: int = 0
    """Sessions on which it was the first to be answered and was not."""
    first_commit_at: float | None = None
    """Room time of its first commit on any session."""
    interim: str = ""
    """Last text shown to readers."""
    revision: int = 0
    """Versions shown to readers so far."""
    segment_id: str = ""
    position: int | None = None
    """Samples sent on this session before it; None while none of it was sent."""
    begun_at: float | None = None
    """Room time at which its first audio went out on this session."""
    sent_frames: int = 0
    commit_sent_at: float | None = None
    """Room time of the commit on this session."""
    commit_number: int = 0
    """Of the commits on this session, from 1."""
    commit_left_at: float | None = None
    """Room time at which that commit had left this host: from then on an answer can be expected."""

    @property
    def end(self) -> int:
        """The first sample after it in the track."""
        return self.start + self.samples

    def rewind(self) -> None:
        """A new session: nothing of it was sent."""
        self.position = self.commit_sent_at = self.commit_left_at = self.begun_at = None
        self.sent_frames = 0

    def begin_again(self) -> None:
        """More of it is told after its final: readers get that as another segment."""
        self.interim = self.segment_id = ""
        self.revision = 0

    def next_frame(self, position: int) -> Frame:
        """Its next frame to be sent, when `position` samples were sent on the session so far."""
        if self.position is None:
            self.position = position
        self.sent_frames += 1
        return self.frames[self.sent_frames - 1]

    def commit_sent(self, now: float) -> None:
        """Its commit goes out at room time `now`."""
        self.commit_sent_at = now
        if self.first_commit_at is None:
            self.first_commit_at = now

    def span(self) -> Span:
        """Where it lies on the session, the padding of a short one included."""
        first = self.position or 0
        return Span(first / SAMPLE_RATE, (first + max(self.samples, MIN_COMMIT_SAMPLES)) / SAMPLE_RATE)

    def sent_span(self) -> Span | None:
        """Where that of it lies which was sent on the session; None when nothing was."""
        if self.position is None:
            return None
        sent = sum(frame.samples for frame in self.frames[: self.sent_frames])
        return Span(self.position / SAMPLE_RATE, (self.position + sent) / SAMPLE_RATE)

    def split(self, at_position: int) -> Utterance | None:
        """Cut after the frame in which `at_position` (samples of the session) lies; the rest, if any.

        At least one sent frame stays, and no more than was sent.
        """
        position = self.position or 0
        kept, samples = 0, 0
        while kept < self.sent_frames and (kept == 0 or position + samples < at_position):
            samples += self.frames[kept].samples
            kept += 1
        rest = self.frames[kept:]
        later = None
        if rest:
            later = Utterance(
                start=rest[0].start,
                frames=rest,
                samples=self.samples - samples,
                committed=self.committed,
                position=position + samples if self.sent_frames > kept else None,
                sent_frames=self.sent_frames - kept,
            )
        self.frames, self.samples, self.sent_frames, self.committed = self.frames[:kept], samples, kept, True
        return later

    def on_track(self, token: Token) -> Token:
        """Session seconds -> seconds of the track, inside the utterance."""
        shift = (self.start - (self.position or 0)) / SAMPLE_RATE
        low, high = self.start / SAMPLE_RATE, self.end / SAMPLE_RATE
        start = min(max(token.start + shift, low), high)
        end = min(max(token.end + shift, start), high)
        return Token(token.text, start, end, token.spacing)
