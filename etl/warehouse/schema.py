"""The warehouse's schema: its migrations, and the views and comments that every upgrade writes again."""

from pathlib import Path

from sqlalchemy import Connection, Engine

from etl.database.comments import write_comments
from etl.database.migrations import Schema, Upgrade, upgrade
from etl.warehouse.tables import METADATA
from etl.warehouse.views import create_views


def warehouse_schema(schema: str | None) -> Schema:
    """Describe the warehouse to the migrations."""
    return Schema(
        name="the warehouse",
        revisions=Path(__file__).parent / "migrations",
        version_table="task_audit_version",
        schema=schema,
        refresh=_refresh,
    )


def upgrade_warehouse(engine: Engine, *, schema: str | None = None) -> Upgrade:
    """Create or upgrade the tables, the views and all comments; safe to repeat."""
    return upgrade(engine, warehouse_schema(schema))


def _refresh(connection: Connection) -> None:
    write_comments(connection, METADATA.sorted_tables)
    create_views(connection)
