"""Counts the tasks of the pending table by state and age."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl
from sqlalchemy import ColumnElement, Engine, Table, case, func, not_, select

from etl.source.conditions import is_free
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
    submitted = submitted_ms(table.c.submitted_at, table.c.task_id)
    day_ago, week_ago = milliseconds(now - DAY), milliseconds(now - WEEK)
    query = (
        select(
            table.c.state,
            func.count().label("tasks"),
            _count_if(not_(is_free(table, now))).label("leased"),
            _count_if(submitted >= day_ago).label("under_a_day"),
            _count_if((submitted >= week_ago) & (submitted < day_ago)).label("under_a_week"),
            _count_if(submitted < week_ago).label("older"),
            # 0 stands for an ID without a time.
            func.min(func.nullif(submitted, 0)).label("oldest_ms"),
        )
        .group_by(table.c.state)
        .order_by(table.c.state)
    )
    with engine.execution_options(read_only=True).connect() as connection:
        rows = connection.execute(query).mappings().all()
    return [
        StateOverview(
            **{name: row[name] for name in ("state", "tasks", "leased", "under_a_day", "under_a_week", "older")},
            oldest_submitted_at=None if row["oldest_ms"] is None else instant_of(row["oldest_ms"]),
        )
        for row in rows
    ]


def states(engine: Engine, table: Table) -> pl.DataFrame:
    """Read the ``state`` of every ``task_id``."""
    with engine.execution_options(read_only=True).connect() as connection:
        rows = connection.execute(select(table.c.task_id, table.c.state))
        return pl.DataFrame(
            [tuple(row) for row in rows], schema={"task_id": pl.String, "state": pl.String}, orient="row"
        )


def _count_if(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.count(case((condition, 1)))
