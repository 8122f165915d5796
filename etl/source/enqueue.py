"""Adds tasks to the pending table; a task that is already there is left alone."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from sqlalchemy import Connection, Engine, Table

from etl.database.engines import engine_of
from etl.source.task_files import PendingRow

CHUNK_ROWS = 5_000


@dataclass(frozen=True, slots=True)
class Enqueued:
    """The numbers of tasks that were given, and of those that were new."""

    given: int
    new: int


def enqueue(engine: Engine, table: Table, rows: Iterable[PendingRow]) -> Enqueued:
    """Add tasks in one transaction, in bounded memory: all of them, or none if a row is refused."""
    given = new = 0
    with engine.begin() as connection:
        for chunk in _chunks(rows):
            given += len(chunk)
            new += insert_new(connection, table, chunk)
    return Enqueued(given, new)


def insert_new(connection: Connection, table: Table, rows: Sequence[PendingRow]) -> int:
    """Add the tasks that are not there yet, and return how many those are."""
    # Without the option, SQLAlchemy does not keep the rowcount of an INSERT.
    statement = engine_of(connection).insert_or_ignore(table).execution_options(preserve_rowcount=True)
    given = [{"task_id": task_id, "submitted_at": submitted_at} for task_id, submitted_at in rows]
    return connection.execute(statement, given).rowcount


def _chunks(rows: Iterable[PendingRow]) -> Iterator[list[PendingRow]]:
    iterator = iter(rows)
    while chunk := list(islice(iterator, CHUNK_ROWS)):
        yield chunk
