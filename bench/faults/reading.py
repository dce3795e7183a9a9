"""What is written at the end of a row: in the record, and in the hands of a listener."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from livekit import rtc

from agent.core.history import METHOD
from agent.core.messages import Envelope, parse
from agent.core.model import Reason, Segment, State, Status
from agent.store.protocol import Store
from bench.faults.tally import Hole
from bench.words import WrittenWord, normalized
from local.listener import Listener, Received

ASK_SECONDS: Final = 10.0


async def read_record(
    store: Store, room: str, sids: Iterable[str]
) -> tuple[list[WrittenWord], list[Hole], list[str]]:
    """Words, gaps (Unix times) and the speakers whose sums do not balance, of these lives of a room."""
    words: list[WrittenWord] = []
    holes: list[Hole] = []
    unbalanced: list[str] = []
    for sid in sids:
        info = await store.find_session(room, sid)
        if info is None:
            continue
        zero = datetime.fromisoformat(info.started_at).timestamp()
        words += final_words([one for _, one in await store.segments(sid)], zero)
        for _, gap in await store.gaps(sid):
            holes.append(Hole(gap.speaker.identity, zero + gap.start, zero + gap.end))
        unbalanced += [sums.speaker.label for sums in info.accounting if not sums.balanced]
    return words, holes, unbalanced


async def read_paid_share(store: Store, room: str, sids: Iterable[str]) -> float:
    """Seconds sent to the recognizer for each second of speech, of the speaker for whom that is worst."""
    infos = [await store.find_session(room, sid) for sid in sids]
    sums = [one for info in infos if info is not None for one in info.accounting]
    return max((one.sent / one.speech for one in sums if one.speech), default=0.0)


def received_words(envelopes: Sequence[Envelope]) -> list[WrittenWord]:
    """The words of the finals that a listener got; times are room times."""
    words: list[WrittenWord] = []
    for session in {one.session for one in envelopes}:
        segments = [one.item for one in envelopes if isinstance(one.item, Segment) and one.session == session]
        words += final_words(segments, 0.0)
    return words


async def ask_for_holes(listener: Listener, store: Store) -> list[Envelope]:
    """What a client asks for: items whose number it missed (docs/history.md).

    A listener who was cut off for a while, or came late, has such holes. One whose transcriber died between
    storing an item and sending it has them too. The transcriber that is there answers for its own session,
    the record for those before it.
    """
    if not listener.messages:
        return []
    last = listener.messages[-1].envelope.session
    found: list[Envelope] = []
    for session in dict.fromkeys(message.envelope.session for message in listener.messages):
        missing = _missing(listener, session)
        if session == last:
            found += await _ask_transcriber(listener, missing)
        elif missing:
            stored = await store.items(session, missing[0] - 1)
            name = listener.room.name
            found += [Envelope(name, session, one.seq, one.item) for one in stored if one.seq in missing]
    return found


def _missing(listener: Listener, session: str) -> list[int]:
    seen = {
        one.envelope.seq
        for one in listener.messages
        if one.envelope.session == session and one.envelope.seq is not None
    }
    return [seq for seq in range(1, max(seen, default=0)) if seq not in seen]


async def _ask_transcriber(listener: Listener, missing: Sequence[int]) -> list[Envelope]:
    found: list[Envelope] = []
    after = missing[0] - 1 if missing else 0
    while missing and after < missing[-1]:
        reply = await _ask(listener, listener.messages[-1].sender, after)
        found += [one for one in map(parse, map(json.dumps, reply["items"])) if one.seq in missing]
        after = reply["last"]
        if not reply["more"]:
            break
    return found


async def _ask(listener: Listener, transcriber: str, after: int) -> dict[str, Any]:
    """The reply; an empty one when the transcriber does not answer: the count then tells what is missing."""
    try:
        answer = await listener.room.local_participant.perform_rpc(
            destination_identity=transcriber,
            method=METHOD,
            payload=json.dumps({"after": after}),
            response_timeout=ASK_SECONDS,
        )
    except rtc.RpcError:
        return {"items": [], "last": after, "more": False}
    reply: dict[str, Any] = json.loads(answer)
    return reply


def told_trouble(
    messages: Sequence[Received],
    asked: Sequence[Envelope],
    began: float,
    vanished: Collection[str] = (),
) -> tuple[float | None, list[str]]:
    """Seconds from `began` (Unix time) to the first status of trouble, or None; and whose never ended.

    `asked`: what the listener missed and got by asking for history. `vanished`: identities whose connection
    was lost for good; their last status says so.
    """
    told = [
        message.arrived_at_wall - began
        for message in messages
        if isinstance(message.item, Status)
        and message.item.state is not State.LISTENING
        and message.arrived_at_wall >= began
    ]
    newest: dict[str, tuple[int, Status]] = {}
    latest = 0
    for one in (*(message.envelope for message in messages), *asked):
        # an earlier life may have ended in trouble, and the word of one that leaves may come late
        if isinstance(one.item, Status) and one.session == messages[-1].envelope.session:
            seq = one.seq or latest
            latest = max(latest, seq)
            whom = one.item.speaker.label if one.item.speaker else "the room"
            if whom not in newest or seq >= newest[whom][0]:
                newest[whom] = seq, one.item
    still = [
        whom
        for whom, (_, status) in newest.items()
        if status.state is not State.LISTENING
        and not (
            status.reason is Reason.CONNECTION_LOST
            and status.speaker is not None
            and status.speaker.identity in vanished
        )
    ]
    return min(told, default=None), sorted(still)


def final_words(segments: Iterable[Segment], zero: float) -> list[WrittenWord]:
    """The words of the last revision of every final of one session; `zero` is added to their times."""
    last: dict[str, Segment] = {}
    for segment in segments:
        known = last.get(segment.segment_id)
        if segment.final and (known is None or segment.revision >= known.revision):
            last[segment.segment_id] = segment
    return [
        WrittenWord(text, segment.speaker.identity, zero + word.start, zero + word.end)
        for segment in last.values()
        for word in segment.words
        for text in normalized(word.text)
    ]
