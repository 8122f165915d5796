"""The versions of the two schemas; every command refuses any other than those this program was written for.

The pending table and the warehouse are migrated apart: each has its own folder of revisions and its own version table,
so both can be in one database. Alembic, which takes long to import, is left to ``migrations``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Column, Connection, MetaData, PrimaryKeyConstraint, Table, Text, inspect, select

from etl.error_codes import Code
from etl.errors import ConfigurationError


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


def require_current(connection: Connection, schema: Schema) -> None:
    """Check that a schema is of the version this program was written for.

    Raises:
        ConfigurationError: the schema is missing, older or newer.
    """
    revision = read_revision(connection, schema)
    if revision == max(_known(schema)):
        return
    refuse_unknown(revision, schema)
    state = "is not set up yet" if revision is None else f"is of an older version ({revision})"
    raise ConfigurationError(
        f"{schema.name[0].upper()}{schema.name[1:]} {state}.",
        code=Code.SCHEMA_OUTDATED,
        remedy="Run `task-audit init`.",
    )


def read_revision(connection: Connection, schema: Schema) -> str | None:
    """Read the revision of a schema; None if it is not set up."""
    if not inspect(connection).has_table(schema.version_table, schema=schema.schema):
        return None
    revision: str | None = connection.scalar(select(schema.version.c.version_num))
    return revision


def refuse_unknown(revision: str | None, schema: Schema) -> None:
    """Check that this program knows a revision.

    Raises:
        ConfigurationError: a newer program has upgraded the schema.
    """
    if revision is not None and revision not in _known(schema):
        raise ConfigurationError(
            f"{schema.name[0].upper()}{schema.name[1:]} is of version {revision}, newer than this program.",
            code=Code.SCHEMA_NEWER,
            remedy="Upgrade koodrive-task-audit.",
        )


def _known(schema: Schema) -> set[str]:
    """Read the revisions from the names of their files, such as ``w0001_warehouse.py``."""
    return {file.stem.partition("_")[0] for file in (schema.revisions / "versions").glob("[!_]*.py")}
