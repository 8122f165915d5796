"""Counts the tasks that had not ended at an instant, and finds those that have been open for long."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, and_, func, or_, select

from etl.tasks.detail import TERMINAL_STATUSES
from etl.warehouse.read.news import CHANGES_AND_RUNS, change, changed_in, is_change, seen_from
from etl.warehouse.tables import dim_task_status, fact_task_status, fact_task_status_change

STUCK_AFTER = timedelta(hours=24)
"""The time after submission from which an open task counts as stuck, as in the question ``stuck_tasks``."""

MAX_STUCK_SHOWN = 10
"""The stuck tasks that a report lists, at most. The oldest remain."""

fact = fact_task_status.c


@dataclass(frozen=True, slots=True, kw_only=True)
class StuckTask:
    """A task that has been open for long."""

    task_id: str
    tenant_id: str | None
    status_name: str | None
    submitted_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StuckTasks:
    """The tasks that have been open for long."""

    tasks: int
    oldest: Sequence[StuckTask]
    """The oldest of them, the oldest first."""


def count_open(connection: Connection, end: datetime) -> int:
    """Count the tasks that had not ended for the runs that began before ``end``.

    The facts have the present state. For a task that a later run saw change, the first such change has the state
    before it.
    """
    first = (
        select(change.task_id, func.min(change.observed_at).label("observed_at"))
        .select_from(CHANGES_AND_RUNS)
        .where(seen_from(end), changed_in >= end)
        .group_by(change.task_id)
        .subquery()
    )
    columns = select(change.task_id, change.previous_status)
    later = columns.select_from(fact_task_status_change.join(first, is_change(first))).cte("later")
    was_open = and_(later.c.previous_status.is_not(None), later.c.previous_status.not_in(TERMINAL_STATUSES))
    is_open = and_(later.c.task_id.is_(None), fact.status.not_in(TERMINAL_STATUSES))
    query = (
        select(func.count())
        .select_from(fact_task_status.outerjoin(later, later.c.task_id == fact.task_id))
        .where(or_(was_open, is_open))
    )
    return connection.execute(query).scalar_one()


def stuck_tasks(connection: Connection, *, now: datetime) -> StuckTasks:
    """Find the tasks that have been open for more than 24 hours."""
    is_stuck = and_(fact.status.not_in(TERMINAL_STATUSES), fact.submitted_at < now - STUCK_AFTER)
    name = dim_task_status.c.status_name
    oldest = (
        select(fact.task_id, fact.tenant_id, name, fact.submitted_at)
        .select_from(fact_task_status.outerjoin(dim_task_status, dim_task_status.c.status == fact.status))
        .where(is_stuck)
        .order_by(fact.submitted_at, fact.task_id)
        .limit(MAX_STUCK_SHOWN)
    )
    number = connection.execute(select(func.count()).select_from(fact_task_status).where(is_stuck)).scalar_one()
    return StuckTasks(tasks=number, oldest=[StuckTask(**row) for row in connection.execute(oldest).mappings()])
