"""A few due tasks from other places of the order of claims than its beginning."""

import random
from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, FromClause, func, select

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
    columns = tasks.c
    order = submitted_ms(columns.submitted_at, columns.task_id), columns.task_id
    due = select(columns.task_id, columns.submitted_at).where(*conditions)
    rows = [*connection.execute(due.order_by(*(each.desc() for each in order)).limit(NEWEST))]
    number = connection.execute(select(func.count()).select_from(tasks).where(*conditions)).scalar_one()
    for offset in chance.sample(range(number), min(AT_RANDOM, number)):
        rows += connection.execute(due.order_by(*order).offset(offset).limit(1))
    return [
        PendingTask(task_id=row.task_id, submitted_at=row.submitted_at) for row in rows if is_valid_task_id(row.task_id)
    ]
