"""Run by Alembic: its steps on the connection, and in the transaction, that `upgrade` has opened."""

from __future__ import annotations

from alembic import context

from agent.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
)
context.run_migrations()
