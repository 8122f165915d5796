"""The warehouse: facts, their changes, dimensions, dead letters and runs."""

import sqlalchemy as sa
from alembic import op

from etl.database.types import KeyText, UtcDateTime

revision = "w0001"
down_revision = None

STATUSES = [
    (0, "NEW", False, "Accepted, not started."),
    (1, "EXECUTING", False, "Running."),
    (2, "SUCCESS", True, "Ended well."),
    (3, "FAILED", True, "Ended badly; the result code says why."),
]
TYPES = [
    (0, "HAND_OVER", "A leaver's files are handed over, then deleted."),
    (1, "BATCH_USER_IMPORT", "Users are imported from a file."),
]


def upgrade() -> None:
    """Create the tables and the documented dimension rows."""
    _create_facts()
    _create_dimensions()
    _create_dead_letters()
    _create_runs()
    _insert_documented_rows()


def _create_facts() -> None:
    op.create_table(
        "fact_task_status",
        sa.Column("task_id", KeyText(500), primary_key=True),
        sa.Column("task_name", sa.Text),
        sa.Column("task_type", sa.BigInteger),
        sa.Column("tenant_id", sa.Text),
        sa.Column("user_id", sa.Text),
        sa.Column("status", sa.BigInteger, nullable=False),
        sa.Column("result_code", KeyText(500)),
        sa.Column("response_code", KeyText(500)),
        sa.Column("response_message", sa.Text),
        sa.Column("submitted_at", UtcDateTime),
        sa.Column("submitted_at_source", sa.Text, nullable=False),
        sa.Column("first_seen_at", UtcDateTime, nullable=False),
        sa.Column("status_changed_at", UtcDateTime, nullable=False),
        sa.Column("last_checked_at", UtcDateTime, nullable=False),
        sa.Column("run_id", KeyText(100), nullable=False),
    )
    op.create_table(
        "fact_task_status_change",
        sa.Column("task_id", KeyText(500), primary_key=True),
        sa.Column("observed_at", UtcDateTime, primary_key=True),
        sa.Column("previous_status", sa.BigInteger),
        sa.Column("status", sa.BigInteger, nullable=False),
        sa.Column("previous_result_code", KeyText(500)),
        sa.Column("result_code", KeyText(500)),
        sa.Column("run_id", KeyText(100), nullable=False),
    )


def _create_dimensions() -> None:
    op.create_table(
        "dim_task_status",
        sa.Column("status", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("status_name", sa.Text, nullable=False),
        sa.Column("is_terminal", sa.Boolean, nullable=False),
        sa.Column("description", sa.Text),
    )
    op.create_table(
        "dim_task_type",
        sa.Column("task_type", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("task_type_name", sa.Text, nullable=False),
        sa.Column("description", sa.Text),
    )
    op.create_table(
        "dim_result_code",
        sa.Column("result_code", KeyText(500), primary_key=True),
        sa.Column("title", sa.Text),
        sa.Column("category", sa.Text),
        sa.Column("action", sa.Text),
        sa.Column("is_documented", sa.Boolean, nullable=False),
        sa.Column("first_seen_at", UtcDateTime, nullable=False),
    )


def _create_dead_letters() -> None:
    op.create_table(
        "dead_letter",
        sa.Column("task_id", KeyText(500), primary_key=True),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("http_status", sa.Integer),
        sa.Column("error_code", sa.Text),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("trace_id", sa.Text),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("first_failed_at", UtcDateTime, nullable=False),
        sa.Column("last_failed_at", UtcDateTime, nullable=False),
        sa.Column("resolved_at", UtcDateTime),
        sa.Column("run_id", KeyText(100), nullable=False),
    )


def _create_runs() -> None:
    op.create_table(
        "audit_run",
        sa.Column("run_id", KeyText(100), primary_key=True),
        sa.Column("started_at", UtcDateTime, nullable=False),
        sa.Column("finished_at", UtcDateTime),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("exit_code", sa.Integer),
        sa.Column("since", UtcDateTime),
        sa.Column("until", UtcDateTime),
        sa.Column("claimed", sa.BigInteger, nullable=False),
        sa.Column("audited", sa.BigInteger, nullable=False),
        sa.Column("changed", sa.BigInteger, nullable=False),
        sa.Column("unchanged", sa.BigInteger, nullable=False),
        sa.Column("still_open", sa.BigInteger, nullable=False),
        sa.Column("dead_lettered", sa.BigInteger, nullable=False),
        sa.Column("released", sa.BigInteger, nullable=False),
        sa.Column("requests", sa.BigInteger, nullable=False),
        sa.Column("retries", sa.BigInteger, nullable=False),
        sa.Column("throttled", sa.BigInteger, nullable=False),
        sa.Column("max_rate", sa.Double, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("error", sa.Text),
    )


def _insert_documented_rows() -> None:
    status = sa.table("dim_task_status", *map(sa.column, ("status", "status_name", "is_terminal", "description")))
    op.bulk_insert(status, [dict(zip(status.c.keys(), row, strict=True)) for row in STATUSES])
    task_type = sa.table("dim_task_type", *map(sa.column, ("task_type", "task_type_name", "description")))
    op.bulk_insert(task_type, [dict(zip(task_type.c.keys(), row, strict=True)) for row in TYPES])
