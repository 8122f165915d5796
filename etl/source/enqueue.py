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
from etl.tasks import MAX_TASK_ID_DIGITS, TaskState

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
    repeated: int = 0
    """How often a task was given again."""

    @property
    def known(self) -> int:
        """The tasks that were there already."""
        return self.given - self.new - self.repeated


def enqueue(engine: Engine, table: Table, rows: Iterable[PendingRow], *, dry_run: bool = False) -> Enqueued:
    """Add tasks in bounded memory and short transactions, or none of them if ``rows`` raises an error.

    If the database fails in between, the tasks before that stay, and the next call adds the rest.

    Args:
        engine: the pending database.
        table: the pending table.
        rows: the tasks; of one that is repeated, the first row counts.
        dry_run: whether to count only.

    Raises:
        UnavailableError: the temporary file cannot be written.
    """
    given = new = repeated = 0
    settled: Counter[str] = Counter()
    seen = SeenIds()
    with tempfile.SpooledTemporaryFile(MAX_BYTES_IN_MEMORY) as spool:
        for chunk in _chunks(rows):
            given += len(chunk)
            fresh = [row for row in chunk if seen.add(row[0])]
            repeated += len(chunk) - len(fresh)
            with _reporting_full_disk():
                spool.write(_encode(fresh))
        with _reporting_full_disk():
            spool.seek(0)
        for chunk in _chunks(map(_decode, spool)):
            with engine.begin() as connection:
                inserted = None if dry_run else insert_new(connection, table, chunk)
                states = Counter[str]() if inserted == len(chunk) else _states(connection, table, chunk)
            settled += Counter({state: tasks for state, tasks in states.items() if state != TaskState.PENDING})
            new += len(chunk) - states.total() if inserted is None else inserted
    return Enqueued(given, new, settled, repeated)


class SeenIds:
    """The IDs of one input. A million of them take about 64 MB, since most are kept as numbers."""

    def __init__(self) -> None:
        self._seen: set[int | str] = set()

    def add(self, task_id: str) -> bool:
        """Remember an ID, and return whether it is the first time."""
        before = len(self._seen)
        # A text with a zero in front, or with other characters than ASCII digits, is no number's own form.
        is_number = task_id.isascii() and task_id.isdigit() and task_id[0] != "0"
        self._seen.add(int(task_id) if is_number and len(task_id) <= MAX_TASK_ID_DIGITS else task_id)
        return len(self._seen) > before


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


def _states(connection: Connection, table: Table, rows: Sequence[PendingRow]) -> Counter[str]:
    """Count the tasks of a chunk that are in the table, by state."""
    asked = text(engine_of(connection).rows_of_json("task_ids", "task_id")).columns(task_id=Text)
    query = select(table.c.state).where(table.c.task_id.in_(asked))
    return Counter(connection.scalars(query, {"task_ids": json.dumps([task_id for task_id, _ in rows])}))


def _chunks(rows: Iterable[PendingRow]) -> Iterator[list[PendingRow]]:
    iterator = iter(rows)
    while chunk := list(islice(iterator, CHUNK_ROWS)):
        yield chunk
