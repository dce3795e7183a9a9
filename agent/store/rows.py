"""Values of the record <-> rows of its tables. Rows are exact: a float comes back as it was written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
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
from agent.core.succession import Mark, Marks
from agent.core.words import count_words

Row = Mapping[Any, Any]


def row_of(item: Item) -> dict[str, Any]:
    """The columns of an item in the table of its type, without session and seq."""
    match item:
        case Segment():
            return _segment_row(item)
        case Window():
            return _window_row(item)
        case Gap():
            return {
                **speaker_columns(item.speaker),
                "track_sid": item.track_sid,
                "start_seconds": item.start,
                "end_seconds": item.end,
                "reason": item.reason.value,
            }
        case Status():
            return {
                "state": item.state.value,
                "reason": item.reason.value if item.reason else None,
                **speaker_columns(item.speaker),
                "detail": item.detail,
            }
        case End():
            return {**asdict(item), "accounting": _dump([asdict(sums) for sums in item.accounting])}


def _segment_row(item: Segment) -> dict[str, Any]:
    return {
        "segment_id": item.segment_id,
        "revision": item.revision,
        **speaker_columns(item.speaker),
        "track_sid": item.track_sid,
        "source": item.source,
        "start_seconds": item.start,
        "end_seconds": item.end,
        "text": item.text,
        "words": _dump([[word.text, word.start, word.end] for word in item.words]),
        "word_count": count_words(item.text),
        "language": item.language,
        "confidence": item.confidence,
    }


def _window_row(item: Window) -> dict[str, Any]:
    return {
        "window_id": item.window_id,
        "revision": item.revision,
        "start_seconds": item.start,
        "end_seconds": item.end,
        "complete": item.complete,
        "pending": _dump(item.pending),
        "turns": _dump([asdict(turn) for turn in item.turns]),
        "word_count": item.words,
        "segment_count": item.segments,
    }


def segment_of(row: Row) -> Segment:
    return Segment(
        segment_id=row["segment_id"],
        revision=row["revision"],
        final=True,
        speaker=speaker_of(row),
        track_sid=row["track_sid"],
        source=row["source"],
        start=row["start_seconds"],
        end=row["end_seconds"],
        text=row["text"],
        words=tuple(Word(text, start, end) for text, start, end in json.loads(row["words"])),
        language=row["language"],
        confidence=row["confidence"],
    )


def window_of(row: Row) -> Window:
    return Window(
        window_id=row["window_id"],
        revision=row["revision"],
        start=row["start_seconds"],
        end=row["end_seconds"],
        complete=row["complete"],
        pending=tuple(json.loads(row["pending"])),
        turns=tuple(Turn(**_known(Turn, turn)) for turn in json.loads(row["turns"])),
        words=row["word_count"],
        segments=row["segment_count"],
    )


def gap_of(row: Row) -> Gap:
    return Gap(
        speaker=speaker_of(row),
        track_sid=row["track_sid"],
        start=row["start_seconds"],
        end=row["end_seconds"],
        reason=Reason(row["reason"]),
    )


def status_of(row: Row) -> Status:
    return Status(
        state=State(row["state"]),
        reason=Reason(row["reason"]) if row["reason"] else None,
        speaker=speaker_of(row) if row["speaker_identity"] is not None else None,
        detail=row["detail"],
    )


def end_of(row: Row) -> End:
    return End(
        segments=row["segments"],
        words=row["words"],
        windows=row["windows"],
        gaps=row["gaps"],
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        accounting=tuple(Accounting(**_known(Accounting, sums)) for sums in json.loads(row["accounting"])),
    )


def accounting_columns(sums: Accounting) -> dict[str, Any]:
    return {
        **speaker_columns(sums.speaker),
        "heard_seconds": sums.heard,
        "speech_seconds": sums.speech,
        "sent_seconds": sums.sent,
        "answered_seconds": sums.answered,
        "gap_seconds": sums.gap,
        "replayed_seconds": sums.replayed,
        "reconnects": sums.reconnects,
        "wordless_seconds": sums.wordless,
        "not_received_seconds": sums.not_received,
    }


def accounting_of(row: Row) -> Accounting:
    return Accounting(
        speaker=speaker_of(row),
        heard=row["heard_seconds"],
        speech=row["speech_seconds"],
        sent=row["sent_seconds"],
        answered=row["answered_seconds"],
        gap=row["gap_seconds"],
        replayed=row["replayed_seconds"],
        reconnects=row["reconnects"],
        wordless=row["wordless_seconds"] or 0.0,
        not_received=row["not_received_seconds"] or 0.0,
    )


def speaker_columns(speaker: Speaker | None) -> dict[str, str | None]:
    return {
        "speaker_identity": speaker.identity if speaker else None,
        "speaker_name": speaker.name if speaker else None,
        "speaker_role": speaker.role if speaker else None,
        "speaker_label": speaker.label if speaker else None,
    }


def speaker_of(row: Row) -> Speaker:
    return Speaker(
        identity=row["speaker_identity"],
        name=row["speaker_name"],
        role=row["speaker_role"],
        label=row["speaker_label"],
    )


def dump_marks(marks: Marks) -> str:
    """As one text: marks are read whole, and rarely."""
    return _dump(asdict(marks))


def load_marks(text: str) -> Marks:
    """What `dump_marks` wrote."""
    marks = json.loads(text)
    return Marks(marks["at"], tuple(Mark(**_known(Mark, one)) for one in marks["tracks"]))


def _known(kind: type[Accounting | Mark | Speaker | Turn], stored: dict[str, Any]) -> dict[str, Any]:
    """The fields of `kind` among those stored: a newer program may have written more."""
    found = {field.name: stored[field.name] for field in fields(kind) if field.name in stored}
    if "speaker" in found:
        found["speaker"] = Speaker(**_known(Speaker, found["speaker"]))
    return found


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
