"""Alembic runs its migrations inside the transaction that opening a store has begun.

Imported by anything but Alembic, such as a tool that collects docstrings, it does nothing.
"""

from alembic import context

from monitor.adapters.sql.schema import metadata

if hasattr(context, "config"):
    connection = context.config.attributes["connection"]
    context.configure(connection=connection, target_metadata=metadata, transactional_ddl=False)
    context.run_migrations()
