"""What the demo found: words said against words written, delays, and whether the record is true. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import quantiles
from typing import Any, Final

import jiwer

from agent.core.model import Accounting, Segment

LARGEST_WER: Final = 0.25
FILLERS: Final = frozenset({"um", "uh", "hm", "mm"})
"""Sounds that are no words: left out of both texts, as word error rates commonly do."""

NEXT_TURN_SECONDS: Final = 0.8
"""Half a second of speech, and the silence that ends an utterance."""

BOOKS_TOLERANCE_SECONDS: Final = 0.005
"""Sums travel rounded to a millisecond each."""


@dataclass(frozen=True, slots=True)
class SpeakerResult:
    """One person's words."""

    label: str
    words_said: int
    words_written: int
    wer: float
    """Word error rate: wrong, missing and added words over words said; 0 is perfect."""


@dataclass(frozen=True, slots=True)
class SaidTurn:
    """One turn as it was said."""

    label: str
    start: float
    """Room time, seconds."""
    end: float
    """Room time of the end of its speech."""


@dataclass(frozen=True, slots=True)
class HeardFinal:
    """One final as it reached the room."""

    label: str
    arrived: float
    """Room time."""


@dataclass(frozen=True, slots=True)
class Delay:
    """From the end of a turn's speech to the final with its last words, seconds."""

    p50: float
    p95: float


@dataclass(frozen=True, slots=True)
class DemoResult:
    """The content of demo-result.json."""

    speakers: tuple[SpeakerResult, ...]
    windows: int
    segments: int
    gaps: int
    final_delay_seconds: Delay | None
    """None when no final came."""
    accounting: tuple[dict[str, Any], ...]
    """A sum of seconds for each speaker, and whether it balances."""
    room: str
    session: str
    """The room's sid."""
    problems: tuple[str, ...]
    """Why the record is not what it should be; empty when all is well."""

    def as_json(self) -> dict[str, Any]:
        """For json.dump."""
        return asdict(self)


def words_of(text: str) -> list[str]:
    """Lower case, without punctuation and fillers."""
    kept = "".join(letter if letter.isalnum() or letter == "'" else " " for letter in text.lower())
    return [word for word in kept.split() if word not in FILLERS]


def speaker_result(label: str, said: str, segments: Sequence[Segment]) -> SpeakerResult:
    """Compare what one person said with the segments under that person's label."""
    mine = sorted((one for one in segments if one.speaker.label == label), key=lambda one: one.start)
    reference, written = words_of(said), words_of(" ".join(one.text for one in mine))
    if not written:
        return SpeakerResult(label, len(reference), 0, 1.0)
    wer = float(jiwer.wer(" ".join(reference), " ".join(written)))
    return SpeakerResult(label, len(reference), len(written), round(wer, 4))


def turn_delays(turns: Sequence[SaidTurn], finals: Sequence[HeardFinal]) -> list[float | None]:
    """For every turn: from the end of its speech to its last final; None while none has come since its end.

    A final belongs to the turn after which it arrived: one person's turns are seconds apart, and the next
    one's first final comes at the earliest `NEXT_TURN_SECONDS` after that has begun.
    """
    return [_turn_delay(turn, turns, finals) for turn in turns]


def _turn_delay(turn: SaidTurn, turns: Sequence[SaidTurn], finals: Sequence[HeardFinal]) -> float | None:
    later = [other.start for other in turns if other.label == turn.label and other.start > turn.start]
    until = min(later, default=float("inf")) + NEXT_TURN_SECONDS
    arrivals = [one.arrived for one in finals if one.label == turn.label and turn.end < one.arrived < until]
    return max(arrivals) - turn.end if arrivals else None


def delay(delays: Sequence[float]) -> Delay | None:
    """p50 and p95 of at least one delay."""
    if not delays:
        return None
    if len(delays) == 1:
        return Delay(round(delays[0], 3), round(delays[0], 3))
    cuts = quantiles(delays, n=20, method="inclusive")
    return Delay(round(cuts[9], 3), round(cuts[18], 3))


def balance(sums: Sequence[Accounting]) -> tuple[dict[str, Any], ...]:
    """The sums as they are shown."""
    return tuple(
        {
            "label": one.speaker.label,
            "heard": round(one.heard, 3),
            "speech": round(one.speech, 3),
            "sent": round(one.sent, 3),
            "answered": round(one.answered, 3),
            "gap": round(one.gap, 3),
            "balanced": abs(one.speech - one.answered - one.gap) <= BOOKS_TOLERANCE_SECONDS,
        }
        for one in sums
    )


def problems_of(
    speakers: Sequence[SpeakerResult],
    *,
    segments: Sequence[Segment],
    recorded: Sequence[str],
    gaps: int,
    accounting: Sequence[dict[str, Any]],
    missing_turns: int,
) -> tuple[str, ...]:
    """Why the demo did not succeed, a sentence each. `recorded`: the texts of the stored segments."""
    labels = [one.label for one in speakers]
    found: list[str] = []
    for one in speakers:
        if not one.words_written:
            found.append(f"no word arrived under the label {one.label}")
        elif one.wer > LARGEST_WER:
            found.append(f"word error rate of {one.label} is {one.wer:.2f}, more than {LARGEST_WER}")
    strangers = sorted({one.speaker.label for one in segments} - set(labels))
    if strangers:
        found.append(f"words arrived under {', '.join(strangers)}, who did not speak")
    if missing_turns:
        found.append(f"the last words of {missing_turns} turns did not arrive in time")
    if sorted(recorded) != sorted(one.text for one in segments):
        found.append(f"{len(segments)} segments reached the room, the record has others ({len(recorded)})")
    if gaps:
        found.append(f"{gaps} gaps in the record")
    if len(accounting) < len(labels):
        found.append("the end of the session, with its sums, did not arrive")
    found += [f"the books of {one['label']} do not balance" for one in accounting if not one["balanced"]]
    return tuple(found)
