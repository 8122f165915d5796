"""The warehouse's schema: its migrations, and the views and comments that every upgrade writes again."""

from functools import partial
from pathlib import Path

from sqlalchemy import Connection, Engine

from etl.database.comments import write_comments
from etl.database.versions import Schema, Upgrade
from etl.warehouse.calendar import fill_calendar
from etl.warehouse.tables import METADATA
from etl.warehouse.views import create_views


def warehouse_schema(schema: str | None, *, time_zone: str = "UTC") -> Schema:
    """Describe the warehouse to the migrations; an upgrade fills the calendar with the days of the zone."""
    return Schema(
        name="the warehouse",
        revisions=Path(__file__).parent / "migrations",
        version_table="task_audit_version",
        schema=schema,
        refresh=partial(_refresh, time_zone=time_zone),
    )


def upgrade_warehouse(engine: Engine, *, schema: str | None = None, time_zone: str = "UTC") -> Upgrade:
    """Create or upgrade the tables, the calendar, the views and all comments; safe to repeat."""
    from etl.database.migrations import upgrade  # noqa: PLC0415 - it imports Alembic, and only `init` waits for that

    return upgrade(engine, warehouse_schema(schema, time_zone=time_zone))


def _refresh(connection: Connection, *, time_zone: str) -> None:
    fill_calendar(connection, time_zone)
    write_comments(connection, METADATA.sorted_tables)
    create_views(connection)
