"""PostgreSQL behind a real PgBouncer in transaction mode: many programs, few connections, nothing fails."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from agent.core.search import parse_search
from agent.store.engine import is_direct
from agent.store.listing import Wanted
from agent.store.protocol import Stored
from agent.store.sql import SqlStore
from local.pgbouncer import PgBouncer
from tests.browser.needs import MissingNeed, pgbouncer
from tests.contract.record import ADA, END, STARTED, gap, segment, sums, window

PROGRAMS = 4
ROUNDS = 10


@pytest.fixture
def pooled_url(postgres_url: str) -> Iterator[str]:
    """An empty database behind a pooler; fewer connections lead to it than programs ask for."""
    binary = pgbouncer()
    if isinstance(binary, MissingNeed):
        pytest.skip(str(binary))
    with PgBouncer(binary, postgres_url, server_connections=2) as pooler:
        yield pooler.url


async def use(url: str, number: int) -> list[BaseException]:
    """One program: writes a session and reads it, three calls at a time. What failed."""
    store = SqlStore(url)
    failed: list[BaseException] = []
    session, room = f"RM_{number}", f"room {number}"
    try:
        await store.migrate()
        epoch = (await store.open_session(room, session, STARTED)).epoch
        for turn in range(ROUNDS):
            seq = turn * 3 + 1
            items = [segment("some words", float(turn)), gap(), window(turn)]
            written = store.write(session, epoch, [Stored(seq + at, one) for at, one in enumerate(items)])
            reads = (store.items(session), store.find_session(room))
            search = store.list_sessions(Wanted(10, search=parse_search("some words")))
            results = await asyncio.gather(written, *reads, search, return_exceptions=True)
            failed += [one for one in results if isinstance(one, BaseException)]
        await store.save_speakers(session, epoch, [ADA])
        await store.save_accounting(session, epoch, [sums(ADA)])
        await store.write(session, epoch, [Stored(ROUNDS * 3 + 1, END)])
        assert len(await store.items(session)) == ROUNDS * 3 + 1
        assert not await is_direct(store.database.engine)
    finally:
        await store.aclose()
    return failed


async def test_programs_share_a_pool_in_transaction_mode(pooled_url: str) -> None:
    """No statement of one meets that of another, or is missing on the connection of the next transaction."""
    failed = await asyncio.gather(*(use(pooled_url, number) for number in range(PROGRAMS)))
    assert [str(one) for some in failed for one in some] == []


async def test_statements_are_prepared_when_there_is_no_pooler(postgres_url: str) -> None:
    """That is found out by itself, so that nobody pays for a pooler that is not there."""
    store = SqlStore(postgres_url)
    try:
        await store.migrate()
        assert await is_direct(store.database.engine)
        await store.find_session("room")
        async with store.database.engine.connect() as connection:
            found = await connection.exec_driver_sql("SELECT count(*) FROM pg_prepared_statements")
            assert found.scalar_one() > 0
    finally:
        await store.aclose()
