"""Puts tasks that were given up back into the queue, as if they had never been asked about."""

from collections.abc import Sequence

from sqlalchemy import Engine, Table, Update, null, update

from etl.source.bulk_update import bulk_update
from etl.source.engines.base import Columns
from etl.source.enqueue import insert_new
from etl.tasks import TaskState

CHUNK_ROWS = 5_000


def requeue(engine: Engine, table: Table, task_ids: Sequence[str]) -> int:
    """Make dead tasks pending, with a clean slate, and add those that are not there.

    What is pending or done is left alone. The fence stays: whoever held the task before writes nothing.

    Returns:
        How many tasks were dead or not there.
    """
    again = 0
    ordered = sorted(task_ids)
    with engine.begin() as connection:
        for start in range(0, len(ordered), CHUNK_ROWS):
            chunk = ordered[start : start + CHUNK_ROWS]
            again += bulk_update(connection, lambda row: _revived(table, row), [{"held_id": each} for each in chunk])
            again += insert_new(connection, table, [(each, None) for each in chunk])
    return again


def _revived(table: Table, row: Columns) -> Update:
    return (
        update(table)
        .where(table.c.task_id == row["held_id"], table.c.state == str(TaskState.DEAD))
        .values(
            state=str(TaskState.PENDING),
            attempts=0,
            next_check_at=null(),
            lease_owner=null(),
            lease_until=null(),
            last_checked_at=null(),
            last_error=null(),
        )
    )
