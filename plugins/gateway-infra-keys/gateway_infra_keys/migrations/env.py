"""Alembic's environment: it works on the connection that it is given, inside that connection's transaction."""

from alembic import context

from gateway_infra_keys.schema import SCHEMA, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=SCHEMA.version_table,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
