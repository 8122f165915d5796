"""The schema of the pending table: its versions, and its comments."""

from pathlib import Path

from sqlalchemy import Connection, Engine, Table

from etl.database.comments import write_comments
from etl.database.versions import Schema, Upgrade
from etl.rate.table import rate_table, restore_row


def queue_schema(table: Table) -> Schema:
    """Describe the pending table to the migrations."""

    def refresh(connection: Connection) -> None:
        write_comments(connection, [table, rate_table(table)])
        restore_row(connection, rate_table(table))

    return Schema(
        name=f"the pending table {table.fullname}",
        revisions=Path(__file__).parent / "migrations",
        version_table=f"{table.name}_version",
        schema=table.schema,
        table=table.name,
        refresh=refresh,
    )


def upgrade_queue(engine: Engine, table: Table) -> Upgrade:
    """Create or upgrade the pending table, and the table of the shared rate beside it; safe to repeat."""
    from etl.database.migrations import upgrade  # noqa: PLC0415 - it imports Alembic, and only `init` waits for that

    return upgrade(engine, queue_schema(table))
