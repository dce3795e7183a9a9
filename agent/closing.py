"""Closes a session whose room is gone and whose transcriber never said its end."""

from __future__ import annotations

from datetime import datetime, timedelta

from agent.clock import timestamp
from agent.core.model import Gap, Item, Segment
from agent.core.succession import Marks, Unheard, stored_spans
from agent.core.totals import Totals
from agent.core.windows import Grid
from agent.settings import Settings
from agent.store.protocol import Store, Stored
from agent.store.supervision import Abandoned


async def close_session(store: Store, settings: Settings, left: Abandoned, gone: datetime) -> None:
    """Write what its transcriber could not: the gaps, the windows that were open, and the end.

    `gone`: the last moment at which the room is known to have lived: until then somebody may have spoken.
    When something later is stored, the session ends with that.

    Raises:
        StoreError: the database is away, or a transcriber has taken the session after all.
    """
    session = left.session
    began = datetime.fromisoformat(left.started_at)
    opened = await store.open_session(left.room, session, left.started_at)
    segments = [segment for _, segment in await store.segments(session)]
    known_gaps = [gap for _, gap in await store.gaps(session)]
    known: list[Segment | Gap] = [*segments, *known_gaps]
    beaten = opened.marks.at if opened.marks is not None else 0.0
    end = max([(gone - began).total_seconds(), beaten, *(item.end for item in known)])
    totals = Totals(Grid(settings.window_seconds, settings.window_overlap_seconds))
    totals.restore(
        segments, [window for _, window in await store.windows(session)], known_gaps, opened.accounting
    )
    unheard = Unheard(opened.marks, stored_spans(known), {}, end)
    items: list[Item] = [*unheard.holes, *unheard.rest(everybody=True)]
    for gap in items:
        totals.note(gap)
    ended_at = timestamp(began + timedelta(seconds=end))
    items += totals.end(left.started_at, ended_at, totals.books.sums())
    await store.write(
        session,
        opened.epoch,
        [Stored(seq, item) for seq, item in enumerate(items, start=opened.last_seq + 1)],
    )
    await store.release(session, opened.epoch, Marks(end))
