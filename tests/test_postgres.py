"""The tests' PostgreSQL is a real one, whichever of the two kinds of programs it is made from."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from local.postgres import Postgres, find_binaries, packaged_binaries


@pytest.mark.parametrize("binaries", [find_binaries, packaged_binaries])
async def test_it_starts_serves_and_ends(binaries: object) -> None:
    """A fresh database works, is dropped with somebody still in it, and nothing stays behind."""
    assert callable(binaries)
    with Postgres.start(binaries()) as server:
        url = server.create_database()
        connection = await asyncpg.connect(url, timeout=10)
        assert await connection.fetchval("SELECT 'Zoë 🎤'") == "Zoë 🎤"
        server.drop_database(url)
        with pytest.raises(asyncpg.InvalidCatalogNameError):
            await asyncpg.connect(url, timeout=10)
        folder = server._folder
    assert not folder.exists()
    with pytest.raises(OSError, match="Connect call failed"):
        await asyncpg.connect(url, timeout=10)


def test_each_test_has_an_empty_database(postgres_url: str) -> None:
    """The fixture's URL is of the form that DATABASE_URL takes."""
    assert postgres_url.startswith("postgresql://tester:")


async def test_what_was_committed_survives_its_sudden_death(postgres_server: Postgres) -> None:
    """Killed or halted, it comes back on the same port with its data: what store faults are made of."""
    url = postgres_server.create_database()
    try:
        for number, end in enumerate((postgres_server.kill, postgres_server.halt)):
            connection = await asyncpg.connect(url, timeout=10)
            await connection.execute(f"CREATE TABLE kept_{number} AS SELECT 'kept' AS word")
            await asyncio.to_thread(end)
            with pytest.raises(OSError, match="Connect call failed"):
                await asyncpg.connect(url, timeout=10)
            await asyncio.to_thread(postgres_server.resume)
            connection = await asyncpg.connect(url, timeout=10)
            assert await connection.fetchval(f"SELECT word FROM kept_{number}") == "kept"
            await connection.close()
    finally:
        postgres_server.drop_database(url)
