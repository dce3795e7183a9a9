"""What sessions say of themselves: their state, and the sums. Runs inside its caller's transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import and_, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from agent.core.model import Accounting, Status
from agent.core.statuses import worst
from agent.store import rows
from agent.store.tables import accounting, states


async def states_of(db: AsyncConnection, sids: Sequence[str]) -> dict[str, Status]:
    """The state of each session: the worst of what was last said of its room and of each speaker."""
    last = (
        select(states.c.session, func.max(states.c.seq).label("seq"))
        .where(states.c.session.in_(sids))
        .group_by(states.c.session, states.c.speaker_identity)
        .subquery()
    )
    found = await db.execute(
        select(states)
        .join(last, and_(last.c.session == states.c.session, last.c.seq == states.c.seq))
        .order_by(states.c.seq)
    )
    latest = defaultdict[str, list[Status]](list)
    for row in found.mappings():
        latest[row["session"]].append(rows.status_of(row))
    return {sid: state for sid, said in latest.items() if (state := worst(said)) is not None}


async def sums_of(db: AsyncConnection, sids: Sequence[str]) -> dict[str, tuple[Accounting, ...]]:
    """The sums of each session, by speaker."""
    found = await db.execute(
        select(accounting).where(accounting.c.session.in_(sids)).order_by(accounting.c.position)
    )
    sums = defaultdict[str, tuple[Accounting, ...]](tuple)
    for row in found.mappings():
        sums[row["session"]] += (rows.accounting_of(row),)
    return sums
