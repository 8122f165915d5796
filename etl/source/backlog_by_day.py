"""Counts pending tasks by day of submission and state; the database counts, so millions of tasks cost no memory."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import Engine, Table, and_, case, func, literal, not_, select

from etl.source import Source
from etl.source.conditions import is_free, may_be_checked, within_range
from etl.source.tables import submitted_ms
from etl.tasks import Selection, TaskState, instant_of, is_valid_task_id, time_in_id

DAY_MS = 86_400_000

PAGE_ROWS = 5_000


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
    columns = table.c
    position = submitted_ms(columns.submitted_at, columns.task_id)
    # 0 stands for an ID without a time.
    day = case((position != 0, position // literal(DAY_MS))).label("day")
    held = not_(is_free(table, now, lease=lease))
    later = and_(not_(held), not_(may_be_checked(table, selection, now)))
    again = columns.state == str(TaskState.DONE)
    states = [str(TaskState.PENDING), *([str(TaskState.DONE)] if selection.refetch else [])]
    kind = case(
        (held, "held"),
        (later, "later"),
        (again, "again"),
        (columns.attempts > 0, "failed_before"),
        (columns.last_checked_at.is_not(None), "still_open"),
        else_="new",
    )
    query = (
        select(day, kind.label("kind"), func.count().label("tasks"))
        .where(columns.state.in_(states), *within_range(position, selection))
        .group_by(day, kind)
    )
    counted: dict[int | None, dict[str, int]] = {}
    with engine.execution_options(read_only=True).connect() as connection:
        for number, name, tasks in connection.execute(query):
            counted.setdefault(None if number is None else int(number), {})[name] = tasks
    return [DayCounts(day=_date(number), **{"new": 0, **counted[number]}) for number in sorted(counted, key=_order)]


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
    return -1 if number is None else number
