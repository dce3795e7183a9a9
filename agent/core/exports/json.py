"""JSON: everything that is known, exactly, in the words of the room's messages."""

from __future__ import annotations

from agent.core.exports.record import Record
from agent.core.fields import accounting_fields, dump, gap_fields, segment_fields, status_fields


def render(record: Record) -> str:
    """One object; `agent.http.record.Transcript` documents it."""
    return dump(
        {
            "room": record.room,
            "session": record.session,
            "started_at": record.started_at,
            "ended_at": record.ended_at,
            "last_seq": record.last_seq,
            "state": status_fields(record.state) if record.state else None,
            "segments": [{"seq": seq, **segment_fields(segment)} for seq, segment in record.segments],
            "gaps": [{"seq": seq, **gap_fields(gap)} for seq, gap in record.gaps],
            "accounting": [accounting_fields(sums) for sums in record.accounting],
        }
    ).decode()
