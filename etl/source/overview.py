"""Counts the tasks of the pending table by state and age."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, Engine, ScalarSelect, Table, case, func, not_, select

from etl.database.engines.base import Rows
from etl.source.conditions import is_free
from etl.source.engines import queue_sql_of
from etl.source.tables import submitted_ms
from etl.tasks import instant_of, milliseconds

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


def overview(engine: Engine, table: Table, *, now: datetime) -> list[StateOverview]:
    """Count the tasks of every state by age."""
    leased = func.count(case((not_(is_free(table, now)), 1)))
    query = select(table.c.state, func.count(), leased).group_by(table.c.state).order_by(table.c.state)
    with engine.execution_options(read_only=True).connect() as connection:
        counted = connection.execute(query).all()
        queue_sql_of(connection.dialect).prefer_index(connection)
        return [
            _with_ages(connection, table, now=now, state=state, tasks=tasks, leased=leased)
            for state, tasks, leased in counted
        ]


def _with_ages(
    connection: Connection, table: Table, *, now: datetime, state: str, tasks: int, leased: int
) -> StateOverview:
    """Count by ranges of the index: to compute the time inside each of millions of IDs takes minutes."""
    submitted = submitted_ms(table.c.submitted_at, table.c.task_id)
    day_ago, week_ago = milliseconds(now - DAY), milliseconds(now - WEEK)

    def count(*conditions: ColumnElement[bool]) -> ScalarSelect[int]:
        return select(func.count()).select_from(table).where(table.c.state == state, *conditions).scalar_subquery()

    def first(condition: ColumnElement[bool]) -> ScalarSelect[int]:
        in_order = select(submitted).where(table.c.state == state, condition).order_by(submitted)
        return in_order.limit(1).scalar_subquery()

    under_a_day, under_a_week, *oldest = connection.execute(
        select(
            count(submitted >= day_ago),
            count(submitted >= week_ago, submitted < day_ago),
            # 0 stands for an ID without a time.
            first(submitted < 0),
            first(submitted > 0),
        )
    ).one()
    oldest_ms = min(filter(None, oldest), default=None)
    return StateOverview(
        state=state,
        tasks=tasks,
        leased=leased,
        under_a_day=under_a_day,
        under_a_week=under_a_week,
        older=max(tasks - under_a_day - under_a_week, 0),
        oldest_submitted_at=None if oldest_ms is None else instant_of(oldest_ms),
    )


def states(engine: Engine, table: Table) -> Rows:
    """Read every ``task_id`` and its ``state``."""
    with engine.execution_options(read_only=True).connect() as connection:
        return [tuple(row) for row in connection.execute(select(table.c.task_id, table.c.state))]
