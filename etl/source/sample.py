"""A few due tasks from other places of the order of claims than its beginning."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, Row, Select, desc, select

from etl.source.tables import random_number, submitted_ms
from etl.tasks import PendingTask, is_valid_task_id

NEWEST = 2
AT_RANDOM = 4


def sample(connection: Connection, tasks: FromClause, conditions: Sequence[ColumnElement[bool]]) -> list[PendingTask]:
    """Read the newest of the tasks, and some at random, without a claim.

    Args:
        connection: a connection to the pending database.
        tasks: a relation with the columns ``task_id`` and ``submitted_at``.
        conditions: the conditions of a due task.

    Returns:
        Tasks with valid IDs.
    """
    newest = _due(tasks, conditions).order_by(desc("ms"), tasks.c.task_id.desc()).limit(NEWEST)
    rows = [*connection.execute(newest), *at_random(connection, tasks, conditions, number=AT_RANDOM)]
    return [
        PendingTask(task_id=row.task_id, submitted_at=row.submitted_at) for row in rows if is_valid_task_id(row.task_id)
    ]


def at_random(
    connection: Connection, tasks: FromClause, conditions: Sequence[ColumnElement[bool]], *, number: int
) -> Sequence[Row[Any]]:
    """Read some of the tasks, each with the same probability; the position of each is ``ms``."""
    return connection.execute(_due(tasks, conditions).order_by(random_number()).limit(number)).all()


def _due(tasks: FromClause, conditions: Sequence[ColumnElement[bool]]) -> Select[Any]:
    columns = tasks.c
    ms = submitted_ms(columns.submitted_at, columns.task_id).label("ms")
    return select(columns.task_id, columns.submitted_at, ms).where(*conditions)
