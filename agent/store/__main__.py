"""`python -m agent.store upgrade` makes the tables, `downgrade` undoes steps, `pickup` takes spools in."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from agent.errors import SettingsError, StoreError
from agent.settings import Settings, load_settings
from agent.store import migrations, open_store
from agent.store.pickup import picker_for
from agent.store.spool import spool_files
from agent.store.sql import SqlStore

app = typer.Typer(help="The database of transcripts.", no_args_is_help=True, add_completion=False)


@app.command()
def upgrade() -> None:
    """Make the tables of DATABASE_URL, or bring them and the index of words up to date.

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


@app.command()
def downgrade(
    revision: Annotated[str, typer.Argument(help="The step to go back to, such as 0005; base: to nothing.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Undo the newest steps of DATABASE_URL's tables, so that an earlier version of us can use them.

    Says what is lost, and asks. Stop all workers and token services first: each brings the tables up to
    date again when it starts. Try it on a copy: from base nothing comes back.

    Exit code 1: not possible, or not wanted. Exit code 2: a wrong setting.
    """
    try:
        for step, loss in migrations.undone_by(revision):
            typer.echo(f"undoes {step}: {loss}")
        if not yes:
            typer.confirm("Nothing of ours runs on this database, and it is saved. Go on?", abort=True)
        asyncio.run(_downgrade(load_settings().database_url, revision))
    except (SettingsError, StoreError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2 if isinstance(error, SettingsError) else 1) from error
    typer.echo(f"The database is at {revision}.")


@app.command()
def pickup() -> None:
    """Store what writers on this host could not store before they died.

    The worker does so by itself; this is for a host that runs none any more. Takes SPOOL_DIRECTORY
    and DATABASE_URL from the environment or .env.

    Exit code 1: the database is away, the directory cannot be read, or files are left.
    Exit code 2: a wrong setting.
    """
    try:
        done, left = asyncio.run(_pick_up(load_settings()))
    except (SettingsError, StoreError, OSError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2 if isinstance(error, SettingsError) else 1) from error
    typer.echo(f"{done} spools taken in, {left} left.")
    raise typer.Exit(1 if left else 0)


async def _pick_up(settings: Settings) -> tuple[int, int]:
    store = open_store(settings.database_url)
    picker = picker_for(settings)
    try:
        done = await picker.pick_up(store)
    finally:
        await store.aclose()
    return done, len(spool_files(picker.directory))


async def _downgrade(database_url: str, revision: str) -> None:
    store = open_store(database_url)
    try:
        if not isinstance(store, SqlStore):
            raise SettingsError(f"DATABASE_URL={database_url} has no tables")
        await store.downgrade(revision)
    finally:
        await store.aclose()


async def _upgrade(database_url: str) -> None:
    store = open_store(database_url)
    try:
        await store.migrate()
        while not await store.index_anew():
            pass
    finally:
        await store.aclose()


if __name__ == "__main__":
    app(prog_name="python -m agent.store")
