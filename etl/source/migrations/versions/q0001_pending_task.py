"""The pending table: state, lease, fence and attempts of every task."""

import sqlalchemy as sa
from alembic import op

from etl.database.migrations import current_schema
from etl.database.types import KeyText, UtcDateTime
from etl.source.engines import queue_sql_of
from etl.source.tables import submitted_ms

revision = "q0001"
down_revision = None


def upgrade() -> None:
    """Create the table as any program may fill it: a plain INSERT of a task ID is enough."""
    schema = current_schema()
    queue_sql = queue_sql_of(op.get_bind())
    table = op.create_table(
        str(schema.table),
        sa.Column("task_id", KeyText(500), primary_key=True),
        sa.Column("submitted_at", UtcDateTime),
        sa.Column("state", KeyText(20), nullable=False, server_default="pending"),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("next_check_at", UtcDateTime),
        sa.Column("lease_owner", sa.Text),
        sa.Column("lease_until", UtcDateTime),
        sa.Column("fence", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("last_checked_at", UtcDateTime),
        sa.Column("last_error", sa.Text),
        sa.CheckConstraint("state IN ('pending', 'done', 'dead')", name=f"{schema.table}_state"),
        sa.CheckConstraint(queue_sql.time_condition(), name=f"{schema.table}_submitted_at"),
        schema=schema.schema,
        # A claim updates every row, and makes it nearly twice as long. If the new version fits on the page of the old
        # one, PostgreSQL leaves the indexes alone (HOT).
        postgresql_with={"fillfactor": 35},
    )
    queue_sql.create_due_index(op.get_bind(), table, submitted_ms(table.c.submitted_at, table.c.task_id))
