"""Requeues dead tasks, as if they had never been asked about, and withdraws tasks that a user has discarded."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from sqlalchemy import Engine, Table, Update, null, update

from etl.source.bulk_update import bulk_update
from etl.source.conditions import is_free
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
    with engine.begin() as connection:
        for chunk in _chunks(task_ids):
            requeued += bulk_update(connection, lambda row: _revived(table, row), [{"held_id": each} for each in chunk])
            requeued += insert_new(connection, table, [(each, None) for each in chunk])
    return requeued


def withdraw(engine: Engine, table: Table, task_ids: Sequence[str], *, now: datetime) -> None:
    """Make pending tasks dead, so that no run asks about them; a task that a run holds is left to that run."""
    with engine.begin() as connection:
        for chunk in _chunks(task_ids):
            bulk_update(connection, lambda row: _withdrawn(table, row, now), [{"held_id": each} for each in chunk])


def _chunks(task_ids: Sequence[str]) -> Iterator[Sequence[str]]:
    ordered = sorted(task_ids)
    return (ordered[start : start + CHUNK_ROWS] for start in range(0, len(ordered), CHUNK_ROWS))


def _withdrawn(table: Table, row: Columns, now: datetime) -> Update:
    is_pending = table.c.state == str(TaskState.PENDING)
    return (
        update(table)
        .where(table.c.task_id == row["held_id"], is_pending, is_free(table, now))
        .values(state=str(TaskState.DEAD))
    )


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
