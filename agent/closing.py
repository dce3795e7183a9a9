"""Closes a session whose room is gone and whose transcriber never said its end."""

from __future__ import annotations

from datetime import datetime

from agent.clock import timestamp
from agent.core.model import End, Item
from agent.core.succession import Marks, Unheard, stored_spans
from agent.core.windows import TranscriptBuffer
from agent.settings import Settings
from agent.store.protocol import Opened, Store, Stored
from agent.store.supervision import Abandoned


async def close_session(store: Store, settings: Settings, left: Abandoned, gone: datetime) -> None:
    """Write what its transcriber could not: the gaps, the windows that were open, and the end.

    `gone`: when the room was seen to be gone; until then somebody may have spoken.

    Raises:
        StoreError: the database is away, or a transcriber has taken the session after all.
    """
    session = left.session
    gone_at = (gone - datetime.fromisoformat(left.started_at)).total_seconds()
    opened = await store.open_session(left.room, session, left.started_at)
    segments = [segment for _, segment in await store.segments(session)]
    known_gaps = [gap for _, gap in await store.gaps(session)]
    unheard = Unheard(opened.marks, stored_spans([*segments, *known_gaps]), {}, gone_at)
    gaps = [*unheard.holes, *unheard.rest(everybody=True)]
    buffer = TranscriptBuffer(settings.window_seconds, settings.window_overlap_seconds)
    buffer.restore(segments, [window for _, window in await store.windows(session)])
    windows = buffer.close()
    new = sum(window.window_id not in opened.last_windows for window in windows)
    items: list[Item] = [*gaps, *windows, _end(opened, left.started_at, gone, len(gaps), new)]
    await store.write(
        session,
        opened.epoch,
        [Stored(seq, item) for seq, item in enumerate(items, start=opened.last_seq + 1)],
    )
    await store.release(session, opened.epoch, Marks(gone_at))


def _end(opened: Opened, started_at: str, gone: datetime, gaps: int, windows: int) -> End:
    return End(
        segments=opened.segments,
        words=opened.words,
        windows=len(opened.last_windows) + windows,
        gaps=opened.gaps + gaps,
        started_at=started_at,
        ended_at=timestamp(gone),
        accounting=opened.accounting,
    )
