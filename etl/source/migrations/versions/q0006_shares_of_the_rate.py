"""Shares of the rate, which runs hold at the same time, and what the runs find out about the limit of the API.

A run of an older version that has not ended goes on: the row still has the columns by which it leases its periods.
"""

import sqlalchemy as sa
from alembic import op

from etl.database.migrations import current_schema

revision = "q0006"
down_revision = "q0005"


def upgrade() -> None:
    """Add the columns to the row of the rate."""
    schema = current_schema()
    for name in ("shares", "finding"):
        op.add_column(f"{schema.table}_rate", sa.Column(name, sa.Text), schema=schema.schema)
