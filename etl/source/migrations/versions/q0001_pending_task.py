"""The pending table: state, lease, fence and attempts of every task."""

import sqlalchemy as sa
from alembic import op

from etl.database.migrations import current_schema
from etl.database.types import KeyText, UtcDateTime
from etl.source.tables import submitted_ms

revision = "q0001"
down_revision = None


def upgrade() -> None:
    """Create the table as any program may fill it: a plain INSERT of a task ID is enough."""
    schema = current_schema()
    table = op.create_table(
        str(schema.table),
        sa.Column("task_id", KeyText(500), primary_key=True),
        sa.Column("submitted_at", UtcDateTime),
        sa.Column("state", KeyText(20), nullable=False, server_default="pending"),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("next_check_at", UtcDateTime),
        sa.Column("lease_owner", sa.Text),
        sa.Column("lease_until", UtcDateTime),
        sa.Column("fence", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("last_checked_at", UtcDateTime),
        sa.Column("last_error", sa.Text),
        sa.CheckConstraint("state IN ('pending', 'done', 'dead')", name=f"{schema.table}_state"),
        sa.CheckConstraint(_time_condition(), name=f"{schema.table}_submitted_at"),
        schema=schema.schema,
        # A claim updates every row, and makes it nearly twice as long. With room for that on its page it leaves the
        # indexes alone (HOT).
        postgresql_with={"fillfactor": 35},
    )
    if op.get_context().dialect.name == "mysql":
        _add_position(table)
        return
    position = submitted_ms(table.c.submitted_at, table.c.task_id)
    sa.Index(f"{schema.table}_due", table.c.state, position, table.c.task_id).create(op.get_bind())


def _add_position(table: sa.Table) -> None:
    """Give MySQL a column for what others put into the index as an expression, unseen by ``SELECT *`` and INSERT."""
    compiled = submitted_ms(sa.column("submitted_at"), sa.column("task_id")).compile(dialect=op.get_context().dialect)
    found = {column["name"] for column in sa.inspect(op.get_bind()).get_columns(table.name, schema=table.schema)}
    if "submitted_ms" not in found:
        op.execute(
            f"ALTER TABLE {op.get_context().dialect.identifier_preparer.format_table(table)} "
            f"ADD COLUMN submitted_ms BIGINT GENERATED ALWAYS AS ({compiled}) STORED INVISIBLE, "
            f"ADD INDEX {table.name}_due (state, submitted_ms, task_id)"
        )


def _time_condition() -> str:
    """Refuse at once what no reader could read later: one such row would stop every run."""
    if op.get_context().dialect.name != "sqlite":
        return "submitted_at BETWEEN '0002-01-01' AND '9999-12-31'"
    # SQLite takes any text for a time, and its functions take more for one than others do.
    day = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]"
    return f"""submitted_at IS NULL OR (
        submitted_at BETWEEN '0002' AND '9999-12-31'
        AND (submitted_at GLOB '{day}' OR submitted_at GLOB '{day}[ T][0-9][0-9]:[0-9][0-9]*')
        AND substr(submitted_at, 12, 2) < '24'
        AND date(julianday(substr(submitted_at, 1, 10))) = substr(submitted_at, 1, 10)
        AND julianday(submitted_at) IS NOT NULL
    )"""
