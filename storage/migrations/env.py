"""Alembic entry point: runs the revisions on the connection that `storage.database.schema` provides."""

from alembic import context
from sqlmodel import SQLModel

import storage.database.tables  # noqa: F401 - importing the tables fills the metadata

context.configure(
    connection=context.config.attributes["connection"], target_metadata=SQLModel.metadata, render_as_batch=True
)
with context.begin_transaction():
    context.run_migrations()
