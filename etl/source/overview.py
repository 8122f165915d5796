"""Counts the tasks of the pending table by state and age."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Row, ScalarSelect, Select, Table, case, func, not_, select

from etl.database.engines.base import Rows
from etl.database.types import UtcDateTime
from etl.source.conditions import is_free
from etl.source.engines import queue_sql_of
from etl.source.engines.base import Period
from etl.source.tables import submitted_ms
from etl.source.waiting import is_waiting
from etl.tasks import WaitingTasks, instant_of, milliseconds

DAY = timedelta(days=1)
WEEK = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class StateOverview:
    """The tasks in one state."""

    state: str
    tasks: int
    leased: int
    """The tasks that a run holds at the moment."""
    under_a_day: int
    """The tasks that were submitted within the last 24 hours."""
    under_a_week: int
    """The tasks that were submitted within the last seven days, but not within the last 24 hours."""
    older: int
    """The tasks that were submitted before that, or at an unknown time."""
    oldest_submitted_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueOverview:
    """The tasks of the pending table."""

    states: Sequence[StateOverview]
    waiting: WaitingTasks
    """The open tasks that are due again later."""


def overview(engine: Engine, table: Table, *, now: datetime) -> QueueOverview:
    """Count the tasks of every state by age, and the open tasks that are due again later."""
    starts = [milliseconds(now - age) for age in (DAY, WEEK)]
    with engine.execution_options(read_only=True).connect() as connection:
        sql = queue_sql_of(connection.dialect)
        sql.prefer_pass(connection)
        query = _counts(table, now=now)
        if sql.period is not None:
            query = _with_ages(table, query, starts, period=sql.period)
        counted = connection.execute(query.order_by("state")).all()
        sql.prefer_index(connection)
        states = [_state(connection, table, starts, row) for row in counted]
    waiting = [
        WaitingTasks(tasks=row.waiting, next_at=row.next_at, last_at=row.last_at) for row in counted if row.waiting
    ]
    return QueueOverview(states=states, waiting=waiting[0] if waiting else WaitingTasks(tasks=0))


def _counts(table: Table, *, now: datetime) -> Select[Any]:
    """Count in one pass over the table all that needs no index."""
    waits = is_waiting(table, now)
    waits_until = case((waits, table.c.next_check_at))
    return select(
        table.c.state,
        func.count().label("tasks"),
        func.count(case((not_(is_free(table, now)), 1))).label("leased"),
        func.count(case((waits, 1))).label("waiting"),
        func.min(waits_until, type_=UtcDateTime).label("next_at"),
        func.max(waits_until, type_=UtcDateTime).label("last_at"),
    ).group_by(table.c.state)


def _with_ages(table: Table, query: Select[Any], starts: Sequence[int], *, period: Period) -> Select[Any]:
    """Count in the same pass the tasks of each state from each time on.

    The index finds the tasks without a time, which count as older. PostgreSQL reads the table in parallel if the look
    into the index is outside of the query that groups the rows.
    """
    timeless = table.alias()
    is_timeless = submitted_ms(timeless.c.submitted_at, timeless.c.task_id) == 0
    counts = query.add_columns(
        *(func.sum(period(table, [start])).label(f"since_{start}") for start in starts)
    ).subquery()
    *columns, since_a_day, since_a_week = counts.c
    since = []
    for column, start in zip((since_a_day, since_a_week), starts, strict=True):
        too_many = select(func.sum(period(timeless, [start]))).where(timeless.c.state == counts.c.state, is_timeless)
        since.append(column - func.coalesce(too_many.scalar_subquery(), 0))
    return select(*columns, *since)


def _state(connection: Connection, table: Table, starts: Sequence[int], counts: Row[Any]) -> StateOverview:
    state, tasks, leased, _, _, _, *since = tuple(counts)
    since_a_day, since_a_week = since or _since_by_index(connection, table, starts, state)
    return StateOverview(
        state=state,
        tasks=tasks,
        leased=leased,
        under_a_day=since_a_day,
        under_a_week=since_a_week - since_a_day,
        older=max(tasks - since_a_week, 0),
        oldest_submitted_at=_oldest(connection, table, state),
    )


def _since_by_index(connection: Connection, table: Table, starts: Sequence[int], state: str) -> tuple[int, int]:
    """Count by ranges of the index: to compute the time inside each of millions of IDs takes minutes."""
    submitted = submitted_ms(table.c.submitted_at, table.c.task_id)
    day_ago, week_ago = starts

    def count(*conditions: ColumnElement[bool]) -> ScalarSelect[int]:
        return select(func.count()).select_from(table).where(table.c.state == state, *conditions).scalar_subquery()

    counts = select(count(submitted >= day_ago), count(submitted >= week_ago, submitted < day_ago))
    under_a_day, under_a_week = connection.execute(counts).one()
    return under_a_day, under_a_day + under_a_week


def _oldest(connection: Connection, table: Table, state: str) -> datetime | None:
    """Look into the index; 0 stands for an ID without a time."""
    submitted = submitted_ms(table.c.submitted_at, table.c.task_id)

    def first(condition: ColumnElement[bool]) -> ScalarSelect[int]:
        in_order = select(submitted).where(table.c.state == state, condition).order_by(submitted)
        return in_order.limit(1).scalar_subquery()

    oldest = connection.execute(select(first(submitted < 0), first(submitted > 0))).one()
    oldest_ms = min(filter(None, oldest), default=None)
    return None if oldest_ms is None else instant_of(oldest_ms)


def states(engine: Engine, table: Table) -> Rows:
    """Read every ``task_id`` and its ``state``."""
    with engine.execution_options(read_only=True).connect() as connection:
        return [tuple(row) for row in connection.execute(select(table.c.task_id, table.c.state))]
