"""Brings a schema to the version this program was written for, by Alembic, and refuses any other version at run time.

The pending table and the warehouse are migrated apart: each has its own folder of revisions and its own version table,
so that both may stand in one database.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from alembic import command, context
from alembic.config import Config
from alembic.ddl.impl import DefaultImpl
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.schema import CreateSchema

from etl.database import idempotent_ddl, mysql  # noqa: F401 - Alembic finds the former by the name of its dialect
from etl.errors import Code, ConfigurationError


class DuckDBImpl(DefaultImpl):
    """Teaches Alembic the name of the dialect; its own SQL does for the rest."""

    __dialect__ = "duckdb"
    transactional_ddl = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """A versioned schema."""

    name: str
    """How to call it in messages, for example "the warehouse"."""
    revisions: Path
    """The folder with Alembic's env.py and versions."""
    version_table: str
    schema: str | None = None
    """The database schema it lives in."""
    table: str | None = None
    """The name of its one table, where that is the user's choice."""
    refresh: Callable[[Connection], None] | None = None
    """Makes anew, after the revisions, what has no versions since it holds no data, such as views."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upgrade:
    """What an upgrade did."""

    name: str
    before: str | None
    """The revision found; None is an empty database."""
    after: str


def upgrade(engine: Engine, schema: Schema) -> Upgrade:
    """Create or upgrade a schema, in one transaction where the engine has them for DDL.

    Safe to repeat, also after an upgrade that broke off, and by two at a time.

    Raises:
        ConfigurationError: the database is of a newer version than this program, or its table's name is taken.
    """
    with _turn(engine), engine.begin() as connection:
        _wait_for_turn(connection)
        _create_schema(connection, schema.schema)
        before = _revision(connection, schema)
        _refuse_unknown(before, schema)
        if before is None:
            _refuse_taken(connection, schema)
        configuration = Config()
        # Alembic reads % in its options as interpolation.
        configuration.set_main_option("script_location", str(schema.revisions).replace("%", "%%"))
        configuration.attributes.update(connection=connection, schema=schema)
        command.upgrade(configuration, "head")
        after = _revision(connection, schema)
        if schema.refresh is not None:
            schema.refresh(connection)
    return Upgrade(name=schema.name, before=before, after=str(after))


def require_current(connection: Connection, schema: Schema) -> None:
    """Check that a schema is of the version this program was written for.

    Raises:
        ConfigurationError: it is missing, older or newer.
    """
    revision = _revision(connection, schema)
    if revision == read_revisions(schema.revisions).get_current_head():
        return
    _refuse_unknown(revision, schema)
    state = "is not set up yet" if revision is None else f"is of an older version ({revision})"
    raise ConfigurationError(
        f"{schema.name[0].upper()}{schema.name[1:]} {state}.",
        code=Code.SCHEMA_OUTDATED,
        remedy="Run `task-audit init`.",
    )


@cache
def read_revisions(folder: Path) -> ScriptDirectory:
    """Read a folder of revisions: once, since each of them is a module to be compiled."""
    return ScriptDirectory(str(folder))


def run_in_environment() -> None:
    """Do what Alembic's env.py is for: run the revisions on the connection that ``upgrade`` opened."""
    connection: Connection = context.config.attributes["connection"]
    schema: Schema = context.config.attributes["schema"]
    context.configure(
        connection=connection,
        version_table=schema.version_table,
        version_table_schema=schema.schema,
        transactional_ddl=True,
    )
    with context.begin_transaction():
        context.run_migrations()


def current_schema() -> Schema:
    """Tell a revision which schema it is run for."""
    schema: Schema = context.config.attributes["schema"]
    return schema


@contextmanager
def _turn(engine: Engine) -> Iterator[None]:
    if engine.dialect.name != "mysql":
        yield
        return
    with mysql.alone(engine, "task-audit init"):
        yield


def _wait_for_turn(connection: Connection) -> None:
    # SQLite's and DuckDB's writers wait for each other anyway.
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('task-audit init'))"))


def _create_schema(connection: Connection, name: str | None) -> None:
    # CREATE SCHEMA IF NOT EXISTS asks for the right to create even where there is nothing to be created.
    if name is not None and not inspect(connection).has_schema(name):
        connection.execute(CreateSchema(name))


def _refuse_taken(connection: Connection, schema: Schema) -> None:
    found = inspect(connection)
    # Where DDL is not undone, a table without a version may be what an upgrade that broke off has left.
    broke_off = found.has_table(schema.version_table, schema=schema.schema)
    if schema.table and not broke_off and found.has_table(schema.table, schema=schema.schema):
        raise ConfigurationError(
            f"There is a table {schema.table} already that this program has not made.",
            code=Code.TABLE_TAKEN,
            remedy="Give source.table another name; or read that table as it is, with source.mode = 'read_only'.",
        )


def _revision(connection: Connection, schema: Schema) -> str | None:
    options = {"version_table": schema.version_table, "version_table_schema": schema.schema}
    return MigrationContext.configure(connection, opts=options).get_current_revision()


def _refuse_unknown(revision: str | None, schema: Schema) -> None:
    known = {script.revision for script in read_revisions(schema.revisions).walk_revisions()}
    if revision is not None and revision not in known:
        raise ConfigurationError(
            f"{schema.name[0].upper()}{schema.name[1:]} is of version {revision}, newer than this program.",
            code=Code.SCHEMA_NEWER,
            remedy="Upgrade koodrive-task-audit.",
        )
