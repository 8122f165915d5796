"""Brings a schema to the version this program was written for, by Alembic, and refuses any other version at run time.

The pending table and the warehouse are migrated apart: each has its own folder of revisions and its own version table,
so both can be in one database.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from alembic import command, context
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Column, Connection, Engine, MetaData, PrimaryKeyConstraint, Table, Text, inspect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateSchema

from etl.database.engines import ENGINES, engine_of
from etl.error_codes import Code
from etl.errors import ConfigurationError

for _engine in ENGINES:
    _engine.register_ddl()


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """A versioned schema."""

    name: str
    """The name in messages, for example "the warehouse"."""
    revisions: Path
    """The folder with Alembic's env.py and versions."""
    version_table: str
    schema: str | None = None
    """The database schema that holds the tables."""
    table: str | None = None
    """The name of its one table, if the user chooses it."""
    refresh: Callable[[Connection], None] | None = None
    """Recreates, after the revisions, what has no versions because it holds no data, such as views."""

    @property
    def version(self) -> Table:
        """The table of the version. Loads take turns by a lock on its one row."""
        number = Column("version_num", Text(), nullable=False)
        key = PrimaryKeyConstraint("version_num", name=f"{self.version_table}_pkc")
        return Table(self.version_table, MetaData(), number, key, schema=self.schema)


@dataclass(frozen=True, slots=True, kw_only=True)
class Upgrade:
    """What an upgrade did."""

    name: str
    before: str | None
    """The revision found; None is an empty database."""
    after: str
    left_out: tuple[str, ...] = ()
    """The schemas that the job leaves out of the search path, since PUBLIC may create objects there."""


def upgrade(engine: Engine, schema: Schema) -> Upgrade:
    """Create or upgrade a schema, in one transaction if the engine has them for DDL.

    Two processes may do so at once, and an upgrade that broke off can be repeated.

    Raises:
        ConfigurationError: the database is of a newer version than this program, or its table's name is taken.
    """
    kind = engine_of(engine)
    with engine.begin() as connection:
        _refuse_taken(connection, schema)
    _create_schema(engine, schema.schema)
    with kind.hold_migration_lock(engine, schema.version), engine.begin() as connection:
        kind.lock_migrations(connection, schema.version)
        before = _revision(connection, schema)
        _refuse_unknown(before, schema)
        configuration = Config()
        # Alembic reads % in its options as interpolation.
        configuration.set_main_option("script_location", str(schema.revisions).replace("%", "%%"))
        configuration.attributes.update(connection=connection, schema=schema)
        command.upgrade(configuration, "head")
        after = _revision(connection, schema)
        if schema.refresh is not None:
            schema.refresh(connection)
        left_out = tuple(kind.left_out_of_path(connection))
    return Upgrade(name=schema.name, before=before, after=str(after), left_out=left_out)


def require_current(connection: Connection, schema: Schema) -> None:
    """Check that a schema is of the version this program was written for.

    Raises:
        ConfigurationError: the schema is missing, older or newer.
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
    """Read a folder of revisions once, since Python compiles each of them."""
    return ScriptDirectory(str(folder))


def run_in_environment() -> None:
    """Run the revisions on the connection that ``upgrade`` opened, as Alembic's env.py must."""
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
    """Return the schema that a revision is run for."""
    schema: Schema = context.config.attributes["schema"]
    return schema


def _create_schema(engine: Engine, name: str | None) -> None:
    # CREATE SCHEMA IF NOT EXISTS needs the right to create even if the schema exists.
    if name is None or inspect(engine).has_schema(name):
        return
    try:
        with engine.begin() as connection:
            connection.execute(CreateSchema(name))
    except DBAPIError:
        # Another process may have created it meanwhile.
        if not inspect(engine).has_schema(name):
            raise


def _refuse_taken(connection: Connection, schema: Schema) -> None:
    found = inspect(connection)
    is_there = schema.table is not None and found.has_table(schema.table, schema=schema.schema)
    # Every upgrade creates the table of the version first. If the engine commits DDL, one that broke off may have left
    # that table without a version.
    if is_there and not found.has_table(schema.version_table, schema=schema.schema):
        raise ConfigurationError(
            f"There is a table {schema.table} already that this program did not create.",
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
