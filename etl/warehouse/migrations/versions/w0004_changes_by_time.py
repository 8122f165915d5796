"""An index for questions about a night, which read a part of the changes of years."""

from alembic import op

revision = "w0004"
down_revision = "w0003"


def upgrade() -> None:
    """Create the index; no run need wait, for `init` upgrades between runs."""
    op.create_index("fact_task_status_change_observed_at", "fact_task_status_change", ["observed_at"])
