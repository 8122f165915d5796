"""The row by which all runs on one pending table share one rate."""

import sqlalchemy as sa
from alembic import op

from etl.database.clock import system_clock
from etl.database.migrations import current_schema
from etl.database.types import UtcDateTime

revision = "q0002"
down_revision = "q0001"


def upgrade() -> None:
    """Create the table with its one row."""
    schema = current_schema()
    table = op.create_table(
        f"{schema.table}_rate",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("granted_at", UtcDateTime, nullable=False),
        sa.Column("next_at", UtcDateTime, nullable=False),
        sa.Column("paused_until", UtcDateTime, nullable=False),
        sa.Column("holder", sa.Text),
        sa.Column("rate", sa.Double),
        sa.Column("ceiling", sa.Double),
        sa.CheckConstraint("id = 1", name=f"{schema.table}_rate_one_row"),
        schema=schema.schema,
    )
    now = system_clock()
    op.bulk_insert(table, [{"id": 1, "granted_at": now, "next_at": now, "paused_until": now}])
