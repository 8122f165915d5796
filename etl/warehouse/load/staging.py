"""Brings rows before the database as a temporary table, by the way that is fastest for each engine.

Measured on batches of 5,000 to 500,000 rows: COPY for PostgreSQL, the driver's executemany for SQLite; DuckDB scans the
frame in place. For MySQL it is the driver's executemany, which sends many rows at a time: 15 us a row, where JSON_TABLE
takes 25, and LOAD DATA LOCAL 5 - but the latter lets the server read any file of this machine, and many forbid it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import polars as pl
import polars.selectors as cs
from sqlalchemy import Connection, Table, delete
from sqlalchemy.schema import CreateTable

from etl.database.error_map import translate
from etl.warehouse.tables import stage_facts

PLAIN_TIME = "%Y-%m-%d %H:%M:%S%.6f"
"""The form of ``etl.database.types.plain_text`` in the language of polars."""


@contextmanager
def staged(connection: Connection, rows: pl.DataFrame, table: Table = stage_facts) -> Iterator[None]:
    """Offer the rows, under the table's name, to statements of this transaction.

    Args:
        connection: within a transaction.
        rows: one column for each of the table, by the same names; for ``stage_facts``, of ``etl.normalize.FACTS``.
        table: a temporary one.
    """
    match connection.dialect.name:
        case "postgresql":
            _copy(connection, rows, table)
            yield
        case "sqlite":
            _insert(connection, rows, table)
            yield
        case "mysql":
            _insert_mysql(connection, rows, table)
            yield
        case "duckdb":
            with _registered(connection, rows, table):
                yield


def _copy(connection: Connection, frame: pl.DataFrame, table: Table) -> None:
    connection.execute(CreateTable(table, if_not_exists=True))
    cursor: Any = connection.connection.cursor()
    try:
        with cursor.copy(f"COPY {table.name} ({', '.join(frame.columns)}) FROM STDIN (FORMAT csv)") as copy:
            # Unquoted nothing is null and a quoted nothing is the empty text, for polars and PostgreSQL alike.
            copy.write(frame.write_csv(include_header=False))
    except connection.dialect.loaded_dbapi.Error as error:
        # SQLAlchemy has no COPY, so its events do not see this error.
        raise translate(error, database="the warehouse") or error from error
    # Without statistics the planner joins a large batch by nested loops.
    connection.exec_driver_sql(f"ANALYZE {table.name}")


def _insert(connection: Connection, frame: pl.DataFrame, table: Table) -> None:
    connection.execute(CreateTable(table, if_not_exists=True))
    connection.execute(delete(table))
    rows = frame.with_columns(cs.datetime().dt.strftime(PLAIN_TIME)).rows()
    if rows:
        marks = ", ".join("?" * len(frame.columns))
        insert = f"INSERT INTO {table.name} ({', '.join(frame.columns)}) VALUES ({marks})"  # noqa: S608 - our own names
        connection.exec_driver_sql(insert, rows)


def _insert_mysql(connection: Connection, frame: pl.DataFrame, table: Table) -> None:
    # Made anew, which costs less than emptying it, and unlike TRUNCATE does not end the transaction.
    connection.exec_driver_sql(f"DROP TEMPORARY TABLE IF EXISTS {table.name}")
    connection.execute(CreateTable(table))
    rows = frame.with_columns(cs.datetime().dt.strftime(PLAIN_TIME)).rows()
    if rows:
        marks = ", ".join(["%s"] * len(frame.columns))
        insert = f"INSERT INTO {table.name} ({', '.join(frame.columns)}) VALUES ({marks})"  # noqa: S608 - our own names
        connection.exec_driver_sql(insert, rows)


class _ArrowStream:
    """Shows DuckDB a frame by the Arrow stream alone, so that it need not import pyarrow to read it."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self._frame = frame

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._frame.__arrow_c_stream__(requested_schema)


@contextmanager
def _registered(connection: Connection, frame: pl.DataFrame, table: Table) -> Iterator[None]:
    driver: Any = connection.connection.driver_connection
    driver.register(table.name, _ArrowStream(frame))
    try:
        yield
    finally:
        driver.unregister(table.name)
