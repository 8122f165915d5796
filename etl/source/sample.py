"""A few due tasks from other places of the order of claims than its beginning."""

import random
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, Row, Select, func, select

from etl.source.tables import submitted_ms
from etl.tasks import PendingTask, is_valid_task_id

NEWEST = 2
AT_RANDOM = 4

chance = random.SystemRandom()


def sample(connection: Connection, tasks: FromClause, conditions: Sequence[ColumnElement[bool]]) -> list[PendingTask]:
    """Read the newest of the tasks, and some at random, without a claim.

    Args:
        connection: a connection to the pending database.
        tasks: a relation with the columns ``task_id`` and ``submitted_at``.
        conditions: the conditions of a due task.

    Returns:
        Tasks with valid IDs.
    """
    newest = _in_order(tasks, conditions, newest_first=True).limit(NEWEST)
    rows = [*connection.execute(newest), *at_random(connection, tasks, conditions, number=AT_RANDOM)]
    return [
        PendingTask(task_id=row.task_id, submitted_at=row.submitted_at) for row in rows if is_valid_task_id(row.task_id)
    ]


def at_random(
    connection: Connection, tasks: FromClause, conditions: Sequence[ColumnElement[bool]], *, number: int
) -> list[Row[Any]]:
    """Read some of the tasks, each with the same probability; the position of each is ``ms``."""
    count = connection.execute(select(func.count()).select_from(tasks).where(*conditions)).scalar_one()
    due = _in_order(tasks, conditions)
    rows: list[Row[Any]] = []
    for offset in chance.sample(range(count), min(number, count)):
        rows += connection.execute(due.offset(offset).limit(1))
    return rows


def _in_order(
    tasks: FromClause, conditions: Sequence[ColumnElement[bool]], *, newest_first: bool = False
) -> Select[Any]:
    ms, task_id = submitted_ms(tasks.c.submitted_at, tasks.c.task_id), tasks.c.task_id
    order = [ms.desc(), task_id.desc()] if newest_first else [ms, task_id]
    return select(task_id, tasks.c.submitted_at, ms.label("ms")).where(*conditions).order_by(*order)
