"""The warehouse's schema as a whole: its versions, and the views that are made anew with every upgrade."""

from pathlib import Path

from sqlalchemy import Connection, Engine

from etl.database.migrate import Schema, Upgrade, upgrade
from etl.resources import resource


def warehouse_schema(schema: str | None) -> Schema:
    """Describe the warehouse to the migrations."""
    return Schema(
        name="the warehouse",
        revisions=Path(__file__).parent / "migrations",
        version_table="task_audit_version",
        schema=schema,
    )


def upgrade_warehouse(engine: Engine, *, schema: str | None = None) -> Upgrade:
    """Create or upgrade the tables, then the views; safe to repeat."""
    done = upgrade(engine, warehouse_schema(schema))
    with engine.begin() as connection:
        _create_views(connection)
    return done


def view_files(dialect: str) -> list[Path]:
    """List the files of the views, one SELECT each; an engine's own file stands in for the common one."""
    folder = resource("sql", "views")
    own = folder / dialect
    return [own / file.name if (own / file.name).exists() else file for file in sorted(folder.glob("*.sql"))]


def _create_views(connection: Connection) -> None:
    # Views hold no data, so they are not versioned: each upgrade makes those of the files.
    for file in view_files(connection.dialect.name):
        statement = f"VIEW {file.stem} AS\n{file.read_text(encoding='utf-8')}"
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql(f"DROP VIEW IF EXISTS {file.stem}")
            connection.exec_driver_sql(f"CREATE {statement}")
        else:
            # Replacing keeps the grants on a view, and what others have built upon it.
            connection.exec_driver_sql(f"CREATE OR REPLACE {statement}")
