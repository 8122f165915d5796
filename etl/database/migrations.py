"""Brings a schema to the version this program was written for, by Alembic."""

from alembic import command, context
from alembic.config import Config
from sqlalchemy import Connection, Engine, inspect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateSchema

from etl.database.engines import ENGINES, engine_of
from etl.database.versions import Schema, Upgrade, read_revision, refuse_unknown
from etl.error_codes import Code
from etl.errors import ConfigurationError

for _engine in ENGINES:
    _engine.register_ddl()


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
        before = read_revision(connection, schema)
        refuse_unknown(before, schema)
        configuration = Config()
        # Alembic reads % in its options as interpolation.
        configuration.set_main_option("script_location", str(schema.revisions).replace("%", "%%"))
        configuration.attributes.update(connection=connection, schema=schema)
        command.upgrade(configuration, "head")
        after = read_revision(connection, schema)
        if schema.refresh is not None:
            schema.refresh(connection)
        left_out = tuple(kind.left_out_of_path(connection))
    return Upgrade(name=schema.name, before=before, after=str(after), left_out=left_out)


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
