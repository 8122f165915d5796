"""Category and action of a task type beside its name, the same labels as those of a result code."""

import sqlalchemy as sa
from alembic import op

revision = "w0003"
down_revision = "w0002"


def upgrade() -> None:
    """Add the columns."""
    op.add_column("dim_task_type", sa.Column("category", sa.Text))
    op.add_column("dim_task_type", sa.Column("action", sa.Text))
