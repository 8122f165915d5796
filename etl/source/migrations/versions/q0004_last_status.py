"""The last status of a task, and the looks at which it has not changed, which decide how long an open task waits."""

import sqlalchemy as sa
from alembic import op

from etl.database.migrations import current_schema

revision = "q0004"
down_revision = "q0003"


def upgrade() -> None:
    """Add the columns; the next run fills them."""
    schema = current_schema()
    for column in (sa.Column("last_status", sa.BigInteger), sa.Column("unchanged_looks", sa.Integer)):
        op.add_column(str(schema.table), column, schema=schema.schema)
