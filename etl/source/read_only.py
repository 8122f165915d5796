"""The user's own table or view of task IDs: read in pages by key, never written to.

The job cannot mark anything there, so the warehouse decides what is pending: every task in the table that has neither
a terminal fact nor an open dead letter.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Row,
    Select,
    Subquery,
    Table,
    Text,
    cast,
    column,
    func,
    literal,
    not_,
    null,
    select,
    table,
    text,
    tuple_,
)
from sqlalchemy.exc import DataError, DBAPIError

from etl.database.engines import engine_of
from etl.database.types import ReadableInstant
from etl.error_codes import Code
from etl.errors import ConfigurationError
from etl.settings.model import SourceSettings
from etl.source.conditions import may_be_checked, within_range
from etl.source.sample import sample
from etl.source.tables import as_instant, as_readable_instant, is_task_id, submitted_ms
from etl.tasks import PendingTask, Selection, Settlement, TaskState

PAGE_ROWS = 5_000

ROWS_TO_JUDGE = 10
"""If so many rows have no readable time, the column is not one of times."""

NAMED_TASKS, MAX_QUOTED = 3, 40
"""The tasks with unreadable times that a log line names, and the characters of each ID."""

log: structlog.stdlib.BoundLogger = structlog.get_logger()

Settled = Callable[[Sequence[str]], set[str]]
"""A function that returns those task IDs that need not be asked about any more."""


class ReadOnlySource:
    """Tasks read from a relation with one row a task: ``task_id`` and ``submitted_at``."""

    def __init__(
        self,
        engine: Engine,
        relation: Subquery,
        selection: Selection,
        *,
        settled: Settled,
        careful: Subquery | None = None,
    ) -> None:
        """Open the relation for one run.

        Args:
            engine: the database.
            relation: the tasks.
            selection: the tasks that this run asks about.
            settled: returns the tasks that need not be asked about any more.
            careful: the same tasks, read so that no value in the column of times ends the statement.
        """
        # The condition is the operator's SQL, which could call a function that writes.
        self._engine = engine.execution_options(read_only=True)
        self._relation = relation
        self._careful = careful
        self._selection = selection
        self._settled = settled
        # A flood of texts that are no task IDs must not take the time of a bounded night.
        self._passes: list[Callable[[ColumnElement[str]], ColumnElement[bool]]] = [is_task_id, _is_no_task_id]
        """The conditions of the rows that are still to be read, one pass over the relation for each."""
        self._oldest, self._newest = _End(), _End()
        self._is_newest_next = True

    def check(self) -> None:
        """Read some rows.

        Raises:
            ConfigurationError: the table, its columns or the condition do not match the settings.
        """
        with _reading(self._engine):
            odd = _with_odd_times(self._read(lambda: select(self._relation).limit(ROWS_TO_JUDGE)))
            if len(odd) == ROWS_TO_JUDGE:
                log.warning("times_unreadable", tasks=len(odd), first=odd[:NAMED_TASKS])
                raise ConfigurationError(
                    f"None of {ROWS_TO_JUDGE} times can be read.",
                    code=Code.DATABASE_TIME_WRONG,
                    remedy="Write times as 2026-11-01T00:00:00Z.",
                )

    def claim(self, limit: int, *, in_turns: bool = False) -> list[PendingTask]:
        """Take up to ``limit`` due tasks, oldest first, or from both ends in turns; texts that are no task IDs last."""
        end, other = self._oldest, self._newest
        if in_turns:
            end, other = (other, end) if self._is_newest_next else (end, other)
            self._is_newest_next = not self._is_newest_next
        while self._passes and not end.ahead:
            if page := self._next_page(end):
                end.ahead = self._unsettled(page)
            elif other.ahead:
                # The other end has read the rest.
                end.ahead, other.ahead = other.ahead[::-1], []
            else:
                del self._passes[0]
                self._oldest, self._newest = end, other = _End(), _End()
        tasks, end.ahead = end.ahead[:limit], end.ahead[limit:]
        return tasks

    def claim_suspect(self) -> list[PendingTask]:
        """Return none: without leases there are no suspects."""
        return []

    def count(self) -> None:
        """Return None: the warehouse decides what is due, page by page."""

    def sample(self) -> list[PendingTask]:
        """Read the newest tasks, and some at random, settled or not."""
        columns = self._relation.c
        in_range = within_range(submitted_ms(columns.submitted_at, columns.task_id), self._selection)
        with _reading(self._engine), self._engine.connect() as connection:
            return sample(connection, self._relation, in_range)

    def can_claim(self) -> bool:
        """Return true: a claim only reads."""
        return True

    def count_held(self) -> int:
        """Return 0: there are no leases."""
        return 0

    def count_others(self) -> int:
        """Return 0: there are no leases."""
        return 0

    def count_waiting(self) -> None:
        """Return None: every run asks about all open tasks."""

    def renew(self, held: Sequence[PendingTask]) -> set[str]:  # noqa: ARG002 - a task that is not held cannot be lost
        """Return none: there are no leases to lose."""
        return set()

    def settle(self, settlements: Sequence[Settlement], *, within: Connection | None = None) -> None:
        """Do nothing: the facts and dead letters in the warehouse show what is settled."""

    def release(self, held: Sequence[PendingTask]) -> None:
        """Do nothing: there are no leases."""

    def _unsettled(self, page: Sequence[PendingTask]) -> list[PendingTask]:
        shard = self._selection.shard
        ours = [task for task in page if shard is None or shard.holds(task.task_id)]
        settled = self._settled([task.task_id for task in ours])
        return [task for task in ours if task.task_id not in settled]

    def _next_page(self, end: "_End") -> list[PendingTask]:
        with _reading(self._engine):
            rows = self._read(self._first_page if end is self._oldest else self._last_page)
        if rows:
            end.reached = rows[-1].ms, rows[-1].task_id
        if odd := _with_odd_times(rows):
            log.warning("times_unreadable", tasks=len(odd), first=odd[:NAMED_TASKS])
        return [PendingTask(task_id=row.task_id, submitted_at=row.submitted_at) for row in rows]

    def _read(self, query: Callable[[], Select[Any]]) -> Sequence[Row[Any]]:
        """Read rows quickly, and after a value that the database or the driver cannot convert, carefully for good."""
        try:
            with self._engine.connect() as connection:
                return connection.execute(query()).all()
        except DataError:
            if self._careful is None:
                raise
            self._relation, self._careful = self._careful, None
            return self._read(query)

    def _first_page(self) -> Select[Any]:
        return self._unread().order_by(*self._position())

    def _last_page(self) -> Select[Any]:
        return self._unread().order_by(*(column.desc() for column in self._position()))

    def _unread(self) -> Select[Any]:
        """Select what neither end has reached, up to a page."""
        ms, task_id = position = self._position()
        page = select(*self._relation.c, ms.label("ms")).where(
            self._passes[0](task_id), *within_range(ms, self._selection)
        )
        if self._oldest.reached is not None:
            page = page.where(tuple_(*position) > tuple_(*map(literal, self._oldest.reached)))
        if self._newest.reached is not None:
            page = page.where(tuple_(*position) < tuple_(*map(literal, self._newest.reached)))
        return page.limit(PAGE_ROWS)

    def _position(self) -> tuple[ColumnElement[int], ColumnElement[str]]:
        task_id = self._relation.c.task_id
        return submitted_ms(self._relation.c.submitted_at, task_id), task_id


@dataclass(slots=True, eq=False)
class _End:
    """One end of the tasks in their order."""

    reached: tuple[int, str] | None = None
    """The position of the last task that was read from this end."""
    ahead: list[PendingTask] = field(default_factory=list)
    """The tasks of the last page that no claim has taken yet."""


def _is_no_task_id(task_id: ColumnElement[str]) -> ColumnElement[bool]:
    return not_(is_task_id(task_id))


def _with_odd_times(rows: Sequence[Row[Any]]) -> list[str]:
    """Return the tasks of rows that have a time which cannot be read; the time inside the ID takes its place."""
    return [row.task_id[:MAX_QUOTED] for row in rows if row.submitted_at is None and getattr(row, "times", False)]


@contextmanager
def _reading(engine: Engine) -> Iterator[None]:
    """Report the database's errors about the table, its columns, their values and the condition as wrong settings."""
    try:
        yield
    except (DBAPIError, ConfigurationError) as error:
        if isinstance(error, ConfigurationError):
            reason = error.message
        else:
            reason = engine_of(engine).words_of(error.orig or error)
        raise ConfigurationError(
            f"The pending tasks cannot be read as configured: {reason.rstrip('.')}.",
            code=Code.SOURCE_UNREADABLE,
            remedy="Check source.table, source.task_id_column, source.submitted_at_column and source.where.",
        ) from None


def user_relation(settings: SourceSettings, *, careful: bool = False) -> Subquery:
    """Select from the user's table or view: each task ID once, as text, with its earliest submission.

    Args:
        settings: the names of the table and its columns, and the condition.
        careful: whether a value that is no time is null. Otherwise it may end the statement, which is quicker: on
            PostgreSQL a text costs 1 us instead of 15 us.
    """
    schema, _, name = settings.table.rpartition(".")
    columns = [settings.task_id_column, *filter(None, [settings.submitted_at_column])]
    rows = table(name, *(column(each) for each in columns), schema=schema or None)
    task_id = cast(rows.c[settings.task_id_column], Text)
    submitted_at = rows.c[settings.submitted_at_column] if settings.submitted_at_column else null()
    instant = as_readable_instant if careful else as_instant
    pending = (
        select(
            task_id.label("task_id"),
            func.min(instant(submitted_at), type_=ReadableInstant).label("submitted_at"),
            func.count(submitted_at).label("times"),
        )
        .where(task_id.is_not(None))
        .group_by(task_id)
    )
    if settings.where:
        # A colon in the condition begins no bound value.
        pending = pending.where(text(f"({settings.where})".replace(":", r"\:")))
    return pending.subquery("pending")


def unclaimed(queue: Table, selection: Selection, *, now: datetime) -> Subquery:
    """Select from the pending table for a run that may not claim: all due tasks, held or not."""
    states = [TaskState.PENDING, TaskState.DONE] if selection.refetch else [TaskState.PENDING]
    is_due = queue.c.state.in_([str(state) for state in states]), may_be_checked(queue, selection, now)
    return select(queue.c.task_id, queue.c.submitted_at).where(*is_due).subquery("pending")
