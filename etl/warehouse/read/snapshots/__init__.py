"""Reads the whole warehouse as of one instant, in frames that fit into memory.

``base`` says what a snapshot offers, and the other files implement it for one engine each.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine

from etl.database.pauses import with_max_pause
from etl.warehouse.read.snapshots.base import Snapshot
from etl.warehouse.read.snapshots.duckdb import DuckDBSnapshot
from etl.warehouse.read.snapshots.mysql import MySQLSnapshot
from etl.warehouse.read.snapshots.postgresql import PostgreSQLSnapshot
from etl.warehouse.read.snapshots.sqlite import SQLiteSnapshot

MAX_PAUSE_SECONDS = 3_600
"""The longest pause between two queries: a slow store may have to take all files that were made of the one before."""

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
    engine = with_max_pause(engine, MAX_PAUSE_SECONDS).execution_options(read_only=True, snapshot=True)
    with engine.connect() as connection:
        snapshot = SNAPSHOTS[engine.dialect.name](connection)
        snapshot.prepare()
        yield snapshot
