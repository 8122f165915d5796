"""The calendar, which the upgrade fills in at its end."""

import sqlalchemy as sa
from alembic import op

from etl.database.types import UtcDateTime

revision = "w0009"
down_revision = "w0008"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "dim_day",
        sa.Column("day_on", sa.Date, primary_key=True),
        sa.Column("begins_at", UtcDateTime, nullable=False),
        sa.Column("ends_at", UtcDateTime, nullable=False),
        sa.Column("hours", sa.Double, nullable=False),
        sa.Column("weekday", sa.BigInteger, nullable=False),
        sa.Column("weekday_name", sa.Text, nullable=False),
        sa.Column("week_begins_on", sa.Date, nullable=False),
        sa.Column("iso_week", sa.Text, nullable=False),
        sa.Column("month", sa.Text, nullable=False),
        sa.Column("time_zone", sa.Text, nullable=False),
    )
