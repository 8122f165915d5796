"""Adds tasks to the pending table; a task that is already there is left alone.

The tasks may come from a slow pipe, and a later one may be refused. All of them are therefore read into a temporary
file before the first is added, so that no transaction waits for them.
"""

import json
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice

import msgspec
from sqlalchemy import Connection, Engine, Table, Text, select, text

from etl.database.engines import engine_of
from etl.error_codes import Code
from etl.errors import UnavailableError
from etl.source.task_files import PendingRow
from etl.tasks import TaskState

CHUNK_ROWS = 5_000
"""The tasks that one transaction adds: few enough that no run waits long for its end."""

MAX_BYTES_IN_MEMORY = 1 << 20
"""The size from which the tasks are kept in a file: about 20,000 of them."""

_encode = msgspec.json.Encoder().encode_lines
_decode = msgspec.json.Decoder(tuple[str, datetime | None]).decode


@dataclass(frozen=True, slots=True)
class Enqueued:
    """The numbers of tasks that were given, and of those that were new."""

    given: int
    new: int
    settled: Counter[str] = field(default_factory=Counter)
    """The given tasks that were there already and that no run asks about, by state."""


def enqueue(engine: Engine, table: Table, rows: Iterable[PendingRow]) -> Enqueued:
    """Add tasks in bounded memory and short transactions, or none of them if ``rows`` raises an error.

    If the database fails in between, the tasks before that stay, and the next call adds the rest.

    Raises:
        UnavailableError: the temporary file cannot be written.
    """
    given = new = 0
    settled: Counter[str] = Counter()
    with tempfile.SpooledTemporaryFile(MAX_BYTES_IN_MEMORY) as spool:
        for chunk in _chunks(rows):
            with _reporting_full_disk():
                spool.write(_encode(chunk))
        with _reporting_full_disk():
            spool.seek(0)
        for chunk in _chunks(map(_decode, spool)):
            given += len(chunk)
            with engine.begin() as connection:
                inserted = insert_new(connection, table, chunk)
                if inserted < len(chunk):
                    settled += _settled(connection, table, chunk)
            new += inserted
    return Enqueued(given, new, settled)


def insert_new(connection: Connection, table: Table, rows: Sequence[PendingRow]) -> int:
    """Add the tasks that are not there yet, and return how many those are."""
    # Without the option, SQLAlchemy does not keep the rowcount of an INSERT.
    statement = engine_of(connection).insert_or_ignore(table).execution_options(preserve_rowcount=True)
    given = [{"task_id": task_id, "submitted_at": submitted_at} for task_id, submitted_at in rows]
    return connection.execute(statement, given).rowcount


@contextmanager
def _reporting_full_disk() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UnavailableError(
            f"The tasks cannot be kept in {tempfile.gettempdir()} until all are read: {error.strerror}.",
            code=Code.DISK_FULL,
            remedy="Free some space there, or let TMPDIR name another folder; nothing was added.",
        ) from None


def _settled(connection: Connection, table: Table, rows: Sequence[PendingRow]) -> Counter[str]:
    """Count the tasks of a chunk that are not pending, by state."""
    given = Counter(task_id for task_id, _ in rows)
    asked = text(engine_of(connection).rows_of_json("task_ids", "task_id")).columns(task_id=Text)
    query = select(table.c.task_id, table.c.state).where(
        table.c.task_id.in_(asked), table.c.state != str(TaskState.PENDING)
    )
    found = connection.execute(query, {"task_ids": json.dumps(list(given))})
    counted: Counter[str] = Counter()
    for task_id, state in found:
        counted[state] += given[task_id]
    return counted


def _chunks(rows: Iterable[PendingRow]) -> Iterator[list[PendingRow]]:
    iterator = iter(rows)
    while chunk := list(islice(iterator, CHUNK_ROWS)):
        yield chunk
