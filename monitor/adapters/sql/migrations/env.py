"""Alembic runs its migrations inside the transaction that opening a store has begun."""

from alembic import context

from monitor.adapters.sql.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=False,
    render_as_batch=False,
)
context.run_migrations()
