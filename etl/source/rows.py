"""Turns rows of the pending table into tasks, and settlements into rows."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Table, func, null

from etl.source.engines.base import Columns
from etl.tasks import PendingTask, Settlement


def pending_task(row: Sequence[Any]) -> PendingTask:
    """Read a task from a row of ``claimed_columns``."""
    task_id, submitted_at, attempts, fence, _, last_status, unchanged_looks = row
    return PendingTask(
        task_id=task_id,
        submitted_at=submitted_at,
        attempts=attempts,
        fence=fence,
        last_status=last_status,
        unchanged_looks=unchanged_looks,
    )


def settled_row(settlement: Settlement) -> dict[str, Any]:
    """Return the values of a settlement under the names of ``bulk_update.ROW_TYPES``."""
    task = settlement.task
    return {
        "held_id": task.task_id,
        "held_fence": task.fence,
        "new_state": settlement.state,
        # The claim has counted an attempt already.
        "new_attempts": task.attempts - (not settlement.counts_attempt) if settlement.error else 0,
        "settled_at": settlement.settled_at,
        "due_at": settlement.next_check_at,
        "new_status": settlement.status,
        "new_looks": settlement.unchanged_looks,
        "error": settlement.error,
    }


def settled_values(table: Table, row: Columns) -> dict[str, ColumnElement[Any]]:
    """Return what a settlement writes, from the columns of its ``settled_row``."""
    return {
        "state": func.coalesce(row["new_state"], table.c.state),
        "attempts": row["new_attempts"],
        "last_checked_at": row["settled_at"],
        "last_error": row["error"],
        "last_status": func.coalesce(row["new_status"], table.c.last_status),
        "unchanged_looks": func.coalesce(row["new_looks"], table.c.unchanged_looks),
        "next_check_at": row["due_at"],
        "lease_owner": null(),
        "lease_until": null(),
    }
