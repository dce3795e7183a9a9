"""Items as JSON fields and back: the names and shapes of design section 5 (docs/protocol.md).

Used by the messages in the room, the store and the REST answers alike. Seconds are rounded to a millisecond.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agent.core.model import (
    Accounting,
    End,
    Gap,
    Item,
    Reason,
    Segment,
    Speaker,
    State,
    Status,
    Turn,
    Window,
    Word,
)
from agent.errors import MessageError

Fields = dict[str, Any]

_TYPES: dict[type, str] = {
    Segment: "segment",
    Window: "window",
    Gap: "gap",
    Status: "status",
    End: "end",
}


def type_of(item: Item) -> str:
    """The `type` of an item on the wire."""
    return _TYPES[type(item)]


def fields_of(item: Item) -> Fields:
    """The fields of any item, without the envelope."""
    match item:
        case Segment():
            return segment_fields(item)
        case Window():
            return window_fields(item)
        case Gap():
            return gap_fields(item)
        case Status():
            return status_fields(item)
        case End():
            return end_fields(item)


def item_from(kind: str, fields: Mapping[str, Any]) -> Item:
    """The item of a type and its fields.

    Raises:
        MessageError: the type is unknown.
        KeyError, TypeError, ValueError: a field is missing or of the wrong type.
    """
    match kind:
        case "segment":
            return segment_from(fields)
        case "window":
            return window_from(fields)
        case "gap":
            return gap_from(fields)
        case "status":
            return status_from(fields)
        case "end":
            return end_from(fields)
    raise MessageError(f"unknown message type {kind!r}")


def speaker_fields(speaker: Speaker) -> Fields:
    return {
        "identity": speaker.identity,
        "name": speaker.name,
        "role": speaker.role,
        "label": speaker.label,
    }


def speaker_from(fields: Mapping[str, Any]) -> Speaker:
    return Speaker(fields["identity"], fields["name"], fields["role"], fields["label"])


def word_fields(word: Word) -> Fields:
    return {"text": word.text, "start": seconds(word.start), "end": seconds(word.end)}


def word_from(fields: Mapping[str, Any]) -> Word:
    return Word(fields["text"], float(fields["start"]), float(fields["end"]))


def segment_fields(segment: Segment) -> Fields:
    return {
        "segment_id": segment.segment_id,
        "revision": segment.revision,
        "final": segment.final,
        "speaker": speaker_fields(segment.speaker),
        "track_sid": segment.track_sid,
        "source": segment.source,
        "start": seconds(segment.start),
        "end": seconds(segment.end),
        "text": segment.text,
        "words": [word_fields(word) for word in segment.words],
        "language": segment.language,
        "confidence": None if segment.confidence is None else round(segment.confidence, 4),
    }


def segment_from(fields: Mapping[str, Any]) -> Segment:
    return Segment(
        segment_id=fields["segment_id"],
        revision=fields["revision"],
        final=fields["final"],
        speaker=speaker_from(fields["speaker"]),
        track_sid=fields["track_sid"],
        source=fields["source"],
        start=float(fields["start"]),
        end=float(fields["end"]),
        text=fields["text"],
        words=tuple(word_from(word) for word in fields["words"]),
        language=fields["language"],
        confidence=fields["confidence"],
    )


def window_fields(window: Window, ends_text: str | None = None) -> Fields:
    """`ends_text` closes the text of a part, so that the texts of all parts joined are the window's text."""
    return {
        "window_id": window.window_id,
        "revision": window.revision,
        "start": seconds(window.start),
        "end": seconds(window.end),
        "complete": window.complete,
        "pending": list(window.pending),
        "text": window.text if ends_text is None else ends_text,
        "turns": [
            {
                "speaker": speaker_fields(turn.speaker),
                "start": seconds(turn.start),
                "end": seconds(turn.end),
                "text": turn.text,
            }
            for turn in window.turns
        ],
        "words": window.words,
        "segments": window.segments,
    }


def window_from(fields: Mapping[str, Any]) -> Window:
    return Window(
        window_id=fields["window_id"],
        revision=fields["revision"],
        start=float(fields["start"]),
        end=float(fields["end"]),
        complete=fields["complete"],
        pending=tuple(fields["pending"]),
        turns=tuple(
            Turn(speaker_from(turn["speaker"]), float(turn["start"]), float(turn["end"]), turn["text"])
            for turn in fields["turns"]
        ),
        words=fields["words"],
        segments=fields["segments"],
    )


def gap_fields(gap: Gap) -> Fields:
    return {
        "speaker": speaker_fields(gap.speaker),
        "track_sid": gap.track_sid,
        "start": seconds(gap.start),
        "end": seconds(gap.end),
        "reason": gap.reason.value,
    }


def gap_from(fields: Mapping[str, Any]) -> Gap:
    return Gap(
        speaker=speaker_from(fields["speaker"]),
        track_sid=fields["track_sid"],
        start=float(fields["start"]),
        end=float(fields["end"]),
        reason=Reason(fields["reason"]),
    )


def status_fields(status: Status) -> Fields:
    return {
        "state": status.state.value,
        "reason": status.reason.value if status.reason else None,
        "speaker": speaker_fields(status.speaker) if status.speaker else None,
        "detail": status.detail,
    }


def status_from(fields: Mapping[str, Any]) -> Status:
    return Status(
        state=State(fields["state"]),
        reason=Reason(fields["reason"]) if fields["reason"] else None,
        speaker=speaker_from(fields["speaker"]) if fields["speaker"] else None,
        detail=fields["detail"],
    )


def accounting_fields(sums: Accounting) -> Fields:
    return {
        "speaker": speaker_fields(sums.speaker),
        "heard": seconds(sums.heard),
        "speech": seconds(sums.speech),
        "silence": seconds(sums.silence),
        "sent": seconds(sums.sent),
        "answered": seconds(sums.answered),
        "gap": seconds(sums.gap),
        "replayed": seconds(sums.replayed),
        "reconnects": sums.reconnects,
    }


def accounting_from(fields: Mapping[str, Any]) -> Accounting:
    return Accounting(
        speaker=speaker_from(fields["speaker"]),
        heard=float(fields["heard"]),
        speech=float(fields["speech"]),
        sent=float(fields["sent"]),
        answered=float(fields["answered"]),
        gap=float(fields["gap"]),
        replayed=float(fields["replayed"]),
        reconnects=fields["reconnects"],
    )


def end_fields(end: End) -> Fields:
    return {
        "segments": end.segments,
        "words": end.words,
        "windows": end.windows,
        "gaps": end.gaps,
        "started_at": end.started_at,
        "ended_at": end.ended_at,
        "accounting": [accounting_fields(sums) for sums in end.accounting],
    }


def end_from(fields: Mapping[str, Any]) -> End:
    return End(
        segments=fields["segments"],
        words=fields["words"],
        windows=fields["windows"],
        gaps=fields["gaps"],
        started_at=fields["started_at"],
        ended_at=fields["ended_at"],
        accounting=tuple(accounting_from(sums) for sums in fields["accounting"]),
    )


def seconds(value: float) -> float:
    """Seconds as they go over the wire: rounded to a millisecond."""
    return round(value, 3)
