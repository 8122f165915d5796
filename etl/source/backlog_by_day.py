"""Counts pending tasks by day of submission and state; the database counts, so millions of tasks cost no memory."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Select,
    Table,
    and_,
    case,
    func,
    literal,
    not_,
    select,
    union_all,
)

from etl.source import Source
from etl.source.conditions import bounds, is_free, may_be_checked, within_range
from etl.source.engines import queue_sql_of
from etl.source.engines.base import Period
from etl.source.tables import submitted_ms
from etl.tasks import Selection, TaskState, instant_of, is_valid_task_id, time_in_id

DAY_MS = 86_400_000

DAYS_BEFORE_1970 = 800_000
"""The table takes no time before the year 2."""

PAGE_ROWS = 5_000

NO_PERIOD = -1
"""The period of tasks without a time."""

Counted = tuple[int | None, str, int]
"""A day from 1970 or None, a kind of tasks, and their number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DayCounts:
    """The tasks that were submitted on one day; each is counted once."""

    day: date | None
    """The day in UTC; None for an unknown time."""
    new: int
    """The due tasks that were never asked about; in the user's own table, all due tasks."""
    still_open: int = 0
    """The due tasks that had not ended at the last check."""
    failed_before: int = 0
    """The due tasks that the last run could not audit."""
    again: int = 0
    """The tasks that are due only because of a refetch."""
    held: int = 0
    """The tasks that another run holds."""
    later: int = 0
    """The tasks that are not due yet."""

    @property
    def due(self) -> int:
        """The tasks that a run would ask about now."""
        return self.new + self.still_open + self.failed_before + self.again


def backlog_by_day(
    engine: Engine, table: Table, selection: Selection, *, now: datetime, lease: timedelta
) -> list[DayCounts]:
    """Count the tasks of the job's own queue, oldest day first.

    Args:
        engine: the pending database.
        table: the pending table.
        selection: the tasks to count.
        now: the time by the pending database's clock.
        lease: the time that a claim holds.
    """
    kind = _kind(table, selection, now=now, lease=lease)
    states = [str(TaskState.PENDING), *([str(TaskState.DONE)] if selection.refetch else [])]
    counted: dict[int | None, Counter[str]] = defaultdict(Counter)
    with engine.execution_options(read_only=True, snapshot=True).connect() as connection:
        period = queue_sql_of(connection.dialect).period
        for state in states:
            if period is None:
                found = _by_row(connection, table, kind, state, selection)
            else:
                found = _by_period(connection, table, kind, state, selection, period=period)
            for number, name, tasks in found:
                counted[number][name] += tasks
    return [DayCounts(day=_date(number), **{"new": 0, **counted[number]}) for number in sorted(counted, key=_order)]


def _kind(table: Table, selection: Selection, *, now: datetime, lease: timedelta) -> ColumnElement[str]:
    columns = table.c
    held = not_(is_free(table, now, lease=lease))
    later = and_(not_(held), not_(may_be_checked(table, selection, now)))
    again = columns.state == str(TaskState.DONE)
    return case(
        (held, "held"),
        (later, "later"),
        (again, "again"),
        (columns.attempts > 0, "failed_before"),
        (columns.last_checked_at.is_not(None), "still_open"),
        else_="new",
    )


def _by_row(
    connection: Connection, table: Table, kind: ColumnElement[str], state: str, selection: Selection
) -> Iterator[Counted]:
    """Count by computing the day of each row."""
    position = submitted_ms(table.c.submitted_at, table.c.task_id)
    # 0 stands for an ID without a time.
    day = case((position != 0, _day_of(position))).label("day")
    counted: Select[Any] = select(day, kind.label("kind"), func.count().label("tasks"))
    counted = counted.where(table.c.state == state, *within_range(position, selection)).group_by(day, kind)
    for number, name, tasks in connection.execute(counted):
        yield None if number is None else int(number), name, tasks


def _by_period(
    connection: Connection,
    table: Table,
    kind: ColumnElement[str],
    state: str,
    selection: Selection,
    *,
    period: Period,
) -> Iterator[Counted]:
    """Find the days in the index, and count all rows in one pass that compares each with these days."""
    sql = queue_sql_of(connection.dialect)
    sql.prefer_index(connection)
    firsts = connection.scalars(_first_of_days(table, state, selection))
    days = [ms // DAY_MS for ms in firsts]
    if selection.since is None and selection.until is None:
        sql.prefer_pass(connection)
    counted = _in_periods(table, period(table, [day * DAY_MS for day in days]), kind, state, selection)
    for number, name, tasks in connection.execute(counted):
        if tasks:
            yield None if number == NO_PERIOD else days[number - 1], name, tasks


def _first_of_days(table: Table, state: str, selection: Selection) -> Select[Any]:
    """Look for the first submission of each day, from one day to the next."""
    position = submitted_ms(table.c.submitted_at, table.c.task_id)
    first = select(position).where(table.c.state == state, *bounds(position, selection), position != 0)
    first = first.order_by(position).limit(1)
    days = select(first.scalar_subquery().label("ms")).cte("days", recursive=True)
    of_next_day = first.where(position >= (_day_of(days.c.ms) + 1) * DAY_MS).correlate(days).scalar_subquery()
    days = days.union_all(select(of_next_day).where(days.c.ms.is_not(None)))
    return select(days.c.ms).where(days.c.ms.is_not(None))


def _in_periods(
    table: Table, period: ColumnElement[int], kind: ColumnElement[str], state: str, selection: Selection
) -> Select[Any]:
    """Count the rows of each period, and move those without a time, which are few and in the index, into none.

    PostgreSQL expects as many groups as rows if it sees that a group is computed from the ID, and would not count in
    parallel. It does not see that through a union.
    """
    position = submitted_ms(table.c.submitted_at, table.c.task_id)

    def rows(period: ColumnElement[int], tasks: int, *conditions: ColumnElement[bool]) -> Select[Any]:
        columns: list[ColumnElement[Any]] = [period.label("period"), kind.label("kind"), literal(tasks).label("tasks")]
        return select(*columns).where(table.c.state == state, *bounds(position, selection), *conditions)

    parts = [rows(period, 1), rows(period, -1, position == 0)]
    if selection.since is None and selection.until is None:
        parts.append(rows(literal(NO_PERIOD), 1, position == 0))
    counted = union_all(*parts).subquery("counted").c
    return select(counted.period, counted.kind, func.sum(counted.tasks)).group_by(counted.period, counted.kind)


def _day_of(ms: ColumnElement[int]) -> ColumnElement[int]:
    """Return the days from 1970: the division of integers cuts, so no dividend is negative."""
    return (ms + DAYS_BEFORE_1970 * DAY_MS) // literal(DAY_MS) - DAYS_BEFORE_1970


def backlog_by_day_of_pages(source: Source) -> list[DayCounts]:
    """Count the tasks of a source page by page, oldest day first."""
    days: Counter[date | None] = Counter()
    for day in _days(source):
        days[day] += 1
    return [DayCounts(day=day, new=days[day]) for day in sorted(days, key=lambda each: each or date.min)]


def _days(source: Source) -> Iterator[date | None]:
    while page := source.claim(PAGE_ROWS):
        for task in page:
            made_at = time_in_id(task.task_id) if is_valid_task_id(task.task_id) else None
            submitted_at = task.submitted_at or made_at
            yield submitted_at.astimezone(UTC).date() if submitted_at else None


def _date(number: int | None) -> date | None:
    return None if number is None else instant_of(number * DAY_MS).date()


def _order(number: int | None) -> int:
    return -DAYS_BEFORE_1970 if number is None else number
