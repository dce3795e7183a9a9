"""`python -m agent.store upgrade`: make the database's tables, or bring them up to date."""

from __future__ import annotations

import asyncio

import typer

from agent.errors import SettingsError, StoreError
from agent.settings import load_settings
from agent.store import open_store

app = typer.Typer(help="The database of transcripts.", no_args_is_help=True, add_completion=False)


@app.callback()
def _store() -> None:
    """Keeps `upgrade` a command by its name while it is the only one."""


@app.command()
def upgrade() -> None:
    """Make the tables of DATABASE_URL, or bring them up to date.

    DATABASE_URL comes from the environment or .env. Harmless to run again,
    also on several hosts at once: they wait for each other. The worker and
    the token service do the same when they start.

    Exit code 1: the database is away. Exit code 2: a wrong setting.
    """
    try:
        asyncio.run(_upgrade(load_settings().database_url))
    except (SettingsError, StoreError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2 if isinstance(error, SettingsError) else 1) from error
    typer.echo("The database is up to date.")


async def _upgrade(database_url: str) -> None:
    store = open_store(database_url)
    try:
        await store.migrate()
    finally:
        await store.aclose()


if __name__ == "__main__":
    app(prog_name="python -m agent.store")
