"""The record of sessions: `open_store(database_url)` and the protocol it keeps (`agent.store.protocol`).

A further kind of store is one module and one line in `KINDS`; the contract suite then runs on it by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import cast

from agent.errors import SettingsError
from agent.store.protocol import Store

KINDS = {
    "memory": "agent.store.memory:open_memory",
    "sqlite": "agent.store.sql:open_sql",
    "postgresql": "agent.store.sql:open_sql",
    "postgres": "agent.store.sql:open_sql",
}
"""Scheme of the database URL -> module and function that opens it, loaded when it is asked for."""


def open_store(database_url: str) -> Store:
    """A store that connects, and makes its tables, at its first call.

    `sqlite:///relative.db`, `sqlite:////absolute.db`, `postgresql://user:password@host/database`
    or `memory:` (kept by this process alone and gone with it).

    Raises:
        SettingsError: no such kind of store.
    """
    kind = database_url.partition(":")[0].partition("+")[0].lower()
    if kind not in KINDS:
        raise SettingsError(
            f"DATABASE_URL must begin with one of {', '.join(f'{name}:' for name in KINDS)}, got {kind!r}"
        )
    module, function = KINDS[kind].split(":")
    opener = cast(Callable[[str], Store], getattr(import_module(module), function))
    return opener(database_url)
