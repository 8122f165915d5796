"""An index for questions about a night, which read few of the changes of years."""

from alembic import op

revision = "w0004"
down_revision = "w0003"


def upgrade() -> None:
    """Create the index; `init` runs between runs, so no run waits for it."""
    op.create_index("fact_task_status_change_observed_at", "fact_task_status_change", ["observed_at"])
