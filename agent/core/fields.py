"""Items as JSON fields and back: the names and shapes of design section 5 (docs/protocol.md).

Used by the messages in the room, the store and the REST answers alike. Seconds are rounded to a millisecond.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from math import isfinite
from typing import Any, TypeVar

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
from agent.core.text import clean_json
from agent.errors import MessageError

Fields = dict[str, Any]

_TYPES: dict[type, str] = {
    Segment: "segment",
    Window: "window",
    Gap: "gap",
    Status: "status",
    End: "end",
}


_UNSAYABLE = re.compile(r"[\ud800-\udfff]|\\u0000")
"""Of JSON text: half a surrogate pair, or what may be U+0000."""


def dump(value: object) -> bytes:
    """JSON as it goes over the wire: compact, in UTF-8, its texts cleaned as `agent.core.text` says."""
    text = _json(value)
    if _UNSAYABLE.search(text):
        text = _json(clean_json(value))
    return text.encode("utf-8")


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


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
        KeyError, TypeError, ValueError, OverflowError: a field is missing or of the wrong type.
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
    return Speaker(*(text_in(fields, name) for name in ("identity", "name", "role", "label")))


def word_fields(word: Word) -> Fields:
    return {"text": word.text, "start": seconds(word.start), "end": seconds(word.end)}


def word_from(fields: Mapping[str, Any]) -> Word:
    return Word(text_in(fields, "text"), number_in(fields, "start"), number_in(fields, "end"))


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
        segment_id=text_in(fields, "segment_id"),
        revision=whole_in(fields, "revision"),
        final=flag_in(fields, "final"),
        speaker=speaker_from(fields["speaker"]),
        track_sid=text_in(fields, "track_sid"),
        source=text_in(fields, "source"),
        start=number_in(fields, "start"),
        end=number_in(fields, "end"),
        text=text_in(fields, "text"),
        words=tuple(word_from(word) for word in list_in(fields, "words")),
        language=text_in(fields, "language"),
        confidence=None if fields["confidence"] is None else number_in(fields, "confidence"),
    )


def window_fields(window: Window) -> Fields:
    return {
        "window_id": window.window_id,
        "revision": window.revision,
        "start": seconds(window.start),
        "end": seconds(window.end),
        "complete": window.complete,
        "pending": list(window.pending),
        "text": window.text,
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
        window_id=whole_in(fields, "window_id"),
        revision=whole_in(fields, "revision"),
        start=number_in(fields, "start"),
        end=number_in(fields, "end"),
        complete=flag_in(fields, "complete"),
        pending=texts_in(fields, "pending"),
        turns=tuple(
            Turn(
                speaker_from(turn["speaker"]),
                number_in(turn, "start"),
                number_in(turn, "end"),
                text_in(turn, "text"),
            )
            for turn in list_in(fields, "turns")
        ),
        words=whole_in(fields, "words"),
        segments=whole_in(fields, "segments"),
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
        track_sid=text_in(fields, "track_sid"),
        start=number_in(fields, "start"),
        end=number_in(fields, "end"),
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
        detail=text_in(fields, "detail"),
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
        "wordless": seconds(sums.wordless),
        "not_received": seconds(sums.not_received),
    }


def accounting_from(fields: Mapping[str, Any]) -> Accounting:
    return Accounting(
        speaker=speaker_from(fields["speaker"]),
        heard=number_in(fields, "heard"),
        speech=number_in(fields, "speech"),
        sent=number_in(fields, "sent"),
        answered=number_in(fields, "answered"),
        gap=number_in(fields, "gap"),
        replayed=number_in(fields, "replayed"),
        reconnects=whole_in(fields, "reconnects"),
        wordless=number_in({"wordless": 0.0, **fields}, "wordless"),
        not_received=number_in({"not_received": 0.0, **fields}, "not_received"),
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
        segments=whole_in(fields, "segments"),
        words=whole_in(fields, "words"),
        windows=whole_in(fields, "windows"),
        gaps=whole_in(fields, "gaps"),
        started_at=text_in(fields, "started_at"),
        ended_at=text_in(fields, "ended_at"),
        accounting=tuple(accounting_from(sums) for sums in list_in(fields, "accounting")),
    )


def seconds(value: float) -> float:
    """Seconds as they go over the wire: rounded to a millisecond."""
    return round(value, 3)


def text_in(fields: Mapping[str, Any], name: str) -> str:
    """A field that is text. Raises KeyError, TypeError."""
    return _of_type(fields, name, str)


def whole_in(fields: Mapping[str, Any], name: str) -> int:
    """A field that is a whole number. Raises KeyError, TypeError."""
    return _of_type(fields, name, int)


def flag_in(fields: Mapping[str, Any], name: str) -> bool:
    """A field that is true or false. Raises KeyError, TypeError."""
    return _of_type(fields, name, bool)


def list_in(fields: Mapping[str, Any], name: str) -> list[Any]:
    """A field that is a list. Raises KeyError, TypeError."""
    return _of_type(fields, name, list)


def texts_in(fields: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """A field that is a list of texts. Raises KeyError, TypeError."""
    values = list_in(fields, name)
    if not all(isinstance(value, str) for value in values):
        raise TypeError(f"{name} is no list of texts")
    return tuple(values)


def number_in(fields: Mapping[str, Any], name: str) -> float:
    """A field that is a finite number. Raises KeyError, TypeError, ValueError, OverflowError."""
    value = fields[name]
    number = float(value) if type(value) is int else _of_type(fields, name, float)
    if not isfinite(number):
        raise ValueError(f"{name} is {number}")
    return number


_Value = TypeVar("_Value")


def _of_type(fields: Mapping[str, Any], name: str, kind: type[_Value]) -> _Value:
    value = fields[name]
    if type(value) is not kind:  # bool is no whole number here
        raise TypeError(f"{name} is no {kind.__name__}")
    return value
