"""A bound on the length of a task ID, which a program that adds tasks could otherwise fill the memory of a run with."""

from alembic import op

from etl.database.migrations import current_schema
from etl.source.engines import queue_sql_of
from etl.source.tables import pending_table

revision = "q0005"
down_revision = "q0004"


def upgrade() -> None:
    """Bound the IDs, on an engine whose type of text does not and that another user's program may write to."""
    schema = current_schema()
    table = pending_table(f"{schema.schema}.{schema.table}" if schema.schema else str(schema.table))
    queue_sql_of(op.get_bind()).bound_ids(op.get_bind(), table, characters=500)
