"""Reads the whole warehouse as of one instant, in frames that fit into memory.

``base`` says what a snapshot offers, and the other files implement it for one engine each.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine

from etl.warehouse.read.snapshots.base import Snapshot
from etl.warehouse.read.snapshots.duckdb import DuckDBSnapshot
from etl.warehouse.read.snapshots.mysql import MySQLSnapshot
from etl.warehouse.read.snapshots.postgresql import PostgreSQLSnapshot
from etl.warehouse.read.snapshots.sqlite import SQLiteSnapshot

SNAPSHOTS: dict[str, type[Snapshot]] = {
    "duckdb": DuckDBSnapshot,
    "mysql": MySQLSnapshot,
    "postgresql": PostgreSQLSnapshot,
    "sqlite": SQLiteSnapshot,
}
"""The snapshot of each engine, by the name of its dialect."""


@contextmanager
def open_snapshot(engine: Engine) -> Iterator[Snapshot]:
    """Begin a transaction that reads the state of one instant, whatever others commit until it ends."""
    with engine.execution_options(read_only=True, snapshot=True).connect() as connection:
        snapshot = SNAPSHOTS[engine.dialect.name](connection)
        snapshot.prepare()
        yield snapshot
