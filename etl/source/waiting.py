"""Counts the open tasks that are not due again yet."""

from datetime import datetime

from sqlalchemy import ColumnElement, Engine, Table, and_, func, not_, select

from etl.database.types import UtcDateTime
from etl.source.conditions import may_be_checked, was_asked_before, within_range
from etl.source.tables import submitted_ms
from etl.tasks import Selection, TaskState, WaitingTasks


def is_waiting(table: Table, now: datetime) -> ColumnElement[bool]:
    """Return whether a task is open and not due again yet; the first condition is the quickest that most tasks fail."""
    is_due_later = not_(may_be_checked(table, Selection(), now))
    return and_(was_asked_before(table), is_due_later, table.c.state == str(TaskState.PENDING))


def waiting_tasks(engine: Engine, table: Table, selection: Selection, *, now: datetime) -> WaitingTasks:
    """Count the open tasks of a selection that are not due again yet.

    Args:
        engine: the pending database.
        table: the pending table.
        selection: the tasks to count; they wait whether or not a run with this selection would wait for them.
        now: the time by the pending database's clock.
    """
    next_check_at = table.c.next_check_at
    query = select(
        func.count(), func.min(next_check_at, type_=UtcDateTime), func.max(next_check_at, type_=UtcDateTime)
    ).where(
        is_waiting(table, now),
        *within_range(submitted_ms(table.c.submitted_at, table.c.task_id), selection),
    )
    with engine.execution_options(read_only=True).connect() as connection:
        tasks, next_at, last_at = connection.execute(query).one()
    return WaitingTasks(tasks=tasks, next_at=next_at, last_at=last_at)
