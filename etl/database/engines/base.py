"""The base of the engines: everything in which one database engine differs from another.

Each engine implements it in a file of its own beside this one. No table of this program is named here. Drivers
and dialects are imported where they are used: most commands need none of them, or those of one engine alone.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import URL, ColumnElement, Connection, Delete, Insert, Select, Subquery, Table, Text
from sqlalchemy.types import TypeEngine

from etl.database.error_map import DATA_ERRORS, MEANING, Fault, first_line, words_without_data
from etl.error_codes import Code
from etl.errors import TaskAuditError

CONNECT_TIMEOUT_SECONDS = 10

Rows = Sequence[Sequence[object]]
"""Rows of a table, with one value for each of its columns: text, a number, a date, an aware time or None."""


@dataclass(frozen=True, slots=True)
class TlsArgument:
    """An argument of a URL that makes the driver verify the certificate of the server."""

    name: str
    values: frozenset[str] = frozenset()
    """The values that do so. Empty: any."""
    variable: str | None = None
    """The environment variable that the driver reads if the URL lacks the argument."""
    example: str = ""
    """What a URL needs, as a person would write it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine(ABC):
    """A database engine, as this program needs to know it."""

    name: str
    """The name of its SQLAlchemy dialect, and of its folders below ``sql``."""
    driver: str
    """The engine and the driver, as a URL names them."""
    aliases: tuple[str, ...] = ()
    """Other names in a URL that mean the same driver."""
    extra: str | None = None
    """The optional extra of this package that installs the driver."""
    is_file: bool = False
    """Whether a database is a file, which one process at a time writes to, with the clock of this machine."""
    holds_queue: bool = True
    """Whether it can hold the pending table, too; every engine can be a warehouse."""
    url_names_database: bool = False
    """Whether a URL without a database is refused."""
    has_schemas: bool = True
    """Whether a table may be named with a schema."""
    schema_refusal: str | None = None
    """The reason why the warehouse cannot be given a schema; None if it can."""
    port: int | None = None
    """The port of a server whose URL names none."""
    tls_arguments: tuple[TlsArgument, ...] = ()
    """Each of these makes the driver verify the server; the driver verifies no server without one."""
    lineage_scheme: str | None = None
    """The name that OpenLineage gives the engine, if it differs from ``name``."""
    now_sql: str = "CURRENT_TIMESTAMP"
    """The time by the engine's own clock, which must advance within a transaction."""
    zone_sql: str | None = None
    """The time zone of sessions that set none; None if the engine has no such setting."""
    has_comments: bool = True
    """Whether tables and columns can have comments."""
    has_view_comments: bool = True
    """Whether views and their columns can have comments."""

    # Connections

    def connect_options(self, url: URL, *, read_only: bool) -> dict[str, Any]:
        """Return the arguments of ``create_engine``; readers may share a file that writers do not."""
        return {}

    def refusal_of(self, url: URL) -> str | None:
        """Return the reason why a URL cannot be used; None if it can."""
        return None

    @abstractmethod
    def set_up(self, engine: sa.Engine, *, schema: str | None, create: bool, finds_tables: bool) -> None:
        """Listen to the events of a new engine, so that its sessions handle time and transactions as on every engine.

        Args:
            engine: the engine, which has not connected yet.
            schema: the schema that is searched first for a table named without one.
            create: whether a database file may be created.
            finds_tables: whether tables are named without a schema.
        """

    def left_out_of_path(self, connection: Connection) -> Sequence[str]:
        """Return the schemas that the job leaves out of the search path, since PUBLIC may create objects there."""
        return ()

    def qualify(self, sql: str) -> str:
        """Return a statement in which each function is named so that no other can take its place."""
        return sql

    # Errors

    @abstractmethod
    def fault_of(self, error: BaseException) -> Fault | None:
        """Return what an exception of the driver means for a run; None for a bug."""

    def advice_on(self, error: BaseException) -> tuple[Code, str] | None:
        """Return the code and the remedy of an exception that needs others than its fault has."""
        return None

    def quotes_data(self, error: BaseException) -> bool:
        """Return whether the message of an exception of the driver may quote the values of a row."""
        return any(base.__name__ in DATA_ERRORS for base in type(error).__mro__)

    def is_free_text(self, error: BaseException) -> bool:
        """Return whether a function or a trigger of the database has chosen the words of an exception of the driver."""
        return False

    def words_of(self, error: BaseException) -> str:
        """Return what an exception of the driver says, without the values of a row, which only the log may hold."""
        is_free_text = self.is_free_text(error)
        if is_free_text or self.quotes_data(error):
            return words_without_data(error, is_free_text=is_free_text)
        return first_line(error)

    def lock_holders_of(self, file: str) -> str:
        """Name the processes that hold a lock on a database file; empty if that is unknown."""
        return ""

    def translate(self, error: BaseException, *, database: str, file: str | None = None) -> TaskAuditError | None:
        """Return this program's error for one of the driver; None for a bug.

        Args:
            error: the exception of the driver itself, not SQLAlchemy's around it.
            database: the name of the database in the message, for example "the warehouse".
            file: the file of an embedded database.
        """
        fault = self.fault_of(error)
        if fault is None:
            return None
        message = f"{database[0].upper()}{database[1:]} says: {self.words_of(error)}."
        code, remedy = self.advice_on(error) or MEANING[fault]
        if file and code is Code.DATABASE_LOCKED and (holders := self.lock_holders_of(file)):
            message = f"{message} It is held by {holders}."
        return fault(message, code=code, remedy=remedy)

    # Column types

    def key_type(self, dialect: sa.Dialect, characters: int) -> TypeEngine[Any]:
        """Return the type of text that an index can hold, of at most so many characters."""
        return Text()

    def instant_type(self) -> TypeEngine[Any]:
        """Return the type of an instant."""
        return sa.DateTime(timezone=True)

    def bind_instant(self, instant: datetime) -> datetime | str:
        """Return an aware instant in UTC as the driver takes it for a column of ``instant_type``."""
        return instant

    # Migrations

    def register_ddl(self) -> None:
        """Teach Alembic the DDL of the dialect, unless Alembic knows it."""

    def hold_migration_lock(self, engine: sa.Engine, version: Table) -> AbstractContextManager[None]:
        """Hold a lock while a migration runs, for engines whose DDL ends the transaction.

        Args:
            engine: the engine of the database.
            version: the table of the version, beside which the table of the lock is.
        """
        return nullcontext()

    def lock_migrations(self, connection: Connection, version: Table) -> None:
        """Wait, within the transaction of a migration, until no other migration runs.

        The writers of an embedded database wait for each other anyway. On a server the lock is on something that a
        user without rights to it cannot lock.

        Args:
            connection: a connection within the transaction of the migration.
            version: the table of the version, which may be missing.
        """

    def create_view(self, connection: Connection, name: str, select: str) -> None:
        """Create or replace a view, and keep the grants on it and the views built upon it."""
        connection.exec_driver_sql(f"CREATE OR REPLACE VIEW {name} AS\n{self.qualify(select)}")

    # Loads

    def lock_loads(self, connection: Connection, version: Table) -> None:
        """Wait until no other load runs, and keep others waiting until the transaction ends.

        A load finds changes by a comparison with facts that nothing else may be writing. An embedded database has one
        writer anyway.

        Args:
            connection: a connection within the transaction of the load.
            version: the table of the warehouse's version, which has one row.
        """

    @abstractmethod
    def staged(self, connection: Connection, rows: Rows, table: Table) -> AbstractContextManager[None]:
        """Offer rows, under the table's name, to the statements of this transaction.

        Args:
            connection: a connection within a transaction.
            rows: one value for each column of the table, in its order.
            table: a temporary table.
        """

    @abstractmethod
    def rows_of_json(self, bind: str, column: str) -> str:
        """Return a SELECT of one text column with the elements of the JSON array that is bound to a name.

        A bound value for each element would be slow in DuckDB, and their number is limited elsewhere.
        """

    def insert(self, table: Table) -> Any:
        """Return an INSERT that supports ON CONFLICT."""
        from sqlalchemy.dialects import postgresql

        return postgresql.insert(table)

    def insert_or_ignore(self, table: Table) -> Insert:
        """Return an INSERT that skips rows whose key exists already."""
        insert: Insert = self.insert(table).on_conflict_do_nothing()
        return insert

    def insert_missing(self, table: Table, rows: Select[Any]) -> Insert:
        """Return a statement that inserts rows of all columns of the table, but those whose key exists already."""
        insert = self.insert(table).from_select(table.columns.keys(), rows)
        missing: Insert = insert.on_conflict_do_nothing(index_elements=table.primary_key.columns.keys())
        return missing

    def upsert(self, table: Table, columns: Sequence[str], rows: Select[Any]) -> Insert:
        """Return a statement that inserts the selected rows, or updates those with the same key."""
        insert = self.insert(table)
        key = list(table.primary_key.columns.keys())
        changing = {name: insert.excluded[name] for name in columns if name not in key}
        upsert: Insert = insert.from_select(columns, rows).on_conflict_do_update(index_elements=key, set_=changing)
        return upsert

    def upsert_if_newer(self, table: Table, changing: Sequence[str], *, time: str, rows: Select[Any]) -> Insert:
        """Return a statement that inserts the selected rows, or updates those with the same key that are older.

        Args:
            table: the table.
            changing: the columns that a newer row overwrites, ``time`` among them.
            time: the column that says which row is newer.
            rows: the rows, with one column for each column of the table.
        """
        insert = self.insert(table).from_select(table.columns.keys(), rows)
        upsert: Insert = insert.on_conflict_do_update(
            index_elements=list(table.primary_key.columns.keys()),
            set_={name: insert.excluded[name] for name in changing},
            where=insert.excluded[time] > table.c[time],
        )
        return upsert

    def delete_found(self, table: Table, found: Subquery, where: ColumnElement[bool]) -> Delete:
        """Return a statement that deletes the rows with the keys of those rows of a subquery that meet a condition."""
        key = list(table.primary_key.columns)
        keys = sa.select(*(found.c[column.name] for column in key)).where(where)
        return sa.delete(table).where(sa.tuple_(*key).in_(keys))

    # Reading

    def path_to_tables(self, *, database: str | None, schema: str | None) -> list[str]:
        """Return what precedes a table's name in its full name."""
        if self.is_file:
            return [schema] if schema else []
        return [database or "", schema or "public"]


def plain_text(instant: datetime) -> str:
    """Write an instant without its zone: sortable as text, and understood by the functions of SQLite and MySQL."""
    return instant.replace(tzinfo=None).isoformat(sep=" ", timespec="microseconds")


def insert_rows(connection: Connection, rows: Rows, table: Table, *, mark: str) -> None:
    """Insert rows by the driver's ``executemany``, with dates and instants as text."""
    if rows:
        marks = ", ".join([mark] * len(table.columns))
        insert = f"INSERT INTO {table.name} ({', '.join(table.columns.keys())}) VALUES ({marks})"  # noqa: S608 - our own names
        connection.exec_driver_sql(insert, [tuple(map(_plain, row)) for row in rows])


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return plain_text(value)
    return value.isoformat() if isinstance(value, date) else value
