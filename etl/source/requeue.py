"""Requeues dead tasks, as if they had never been asked about."""

from collections.abc import Sequence

from sqlalchemy import Engine, Table, Update, null, update

from etl.source.bulk_update import bulk_update
from etl.source.engines.base import Columns
from etl.source.enqueue import insert_new
from etl.tasks import TaskState

CHUNK_ROWS = 5_000


def requeue(engine: Engine, table: Table, task_ids: Sequence[str]) -> int:
    """Make dead tasks pending, without attempts or errors, and add those that are missing.

    Pending and done tasks are left alone. The fence stays, so a run that held the task before writes nothing.

    Returns:
        The number of tasks that were dead or missing.
    """
    requeued = 0
    ordered = sorted(task_ids)
    with engine.begin() as connection:
        for start in range(0, len(ordered), CHUNK_ROWS):
            chunk = ordered[start : start + CHUNK_ROWS]
            requeued += bulk_update(connection, lambda row: _revived(table, row), [{"held_id": each} for each in chunk])
            requeued += insert_new(connection, table, [(each, None) for each in chunk])
    return requeued


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
            last_status=null(),
            unchanged_looks=null(),
        )
    )
