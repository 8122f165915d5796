"""An index that calls no function of a user of the database, even if one stood in the way when it was created."""

from alembic import op

from etl.database.migrations import current_schema
from etl.source.engines import queue_sql_of
from etl.source.tables import pending_table, submitted_ms

revision = "q0003"
down_revision = "q0002"


def upgrade() -> None:
    """Create the index of the order of claims again, on engines that find functions by a search path."""
    schema = current_schema()
    table = pending_table(f"{schema.schema}.{schema.table}" if schema.schema else str(schema.table))
    position = submitted_ms(table.c.submitted_at, table.c.task_id)
    queue_sql_of(op.get_bind()).renew_due_index(op.get_bind(), table, position)
