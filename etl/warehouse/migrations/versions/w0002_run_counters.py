"""The counters of a run: answers by HTTP status, tasks by outcome, drift of the API."""

import sqlalchemy as sa
from alembic import op

from etl.database.types import KeyText

revision = "w0002"
down_revision = "w0001"


def upgrade() -> None:
    """Create the table beside ``audit_run``."""
    op.create_table(
        "audit_run_counter",
        sa.Column("run_id", KeyText(100), primary_key=True),
        sa.Column("counter", KeyText(50), primary_key=True),
        sa.Column("name", KeyText(500), primary_key=True),
        sa.Column("number", sa.BigInteger, nullable=False),
    )
