"""The outbox: messages about runs that are to be sent to a webhook."""

import sqlalchemy as sa
from alembic import op

from etl.database.types import KeyText, UtcDateTime

revision = "w0005"
down_revision = "w0004"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "notification",
        sa.Column("run_id", KeyText(100), primary_key=True),
        sa.Column("kind", KeyText(50), primary_key=True),
        sa.Column("exit_code", sa.Integer, nullable=False),
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("claimed_by", KeyText(100)),
        sa.Column("claimed_until", UtcDateTime),
        sa.Column("last_error", sa.Text),
        sa.Column("sent_at", UtcDateTime),
    )
