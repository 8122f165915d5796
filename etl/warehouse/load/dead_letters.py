"""The rows of dead letters that a load stages."""

from collections.abc import Sequence
from operator import itemgetter
from typing import Any

from etl.tasks import FetchFailure
from etl.warehouse.tables import dead_letter
from etl.warehouse.text import ForeignText, storable_text

LIMITS = {column.name: column.type.characters for column in dead_letter.c if isinstance(column.type, ForeignText)}
"""The characters that a column of text from outside may hold, by its name."""

DeadLetterRow = dict[str, Any]
"""A row by the names of its columns."""


def dead_letter_rows(failures: Sequence[FetchFailure], run_id: str) -> list[DeadLetterRow]:
    """Lay lasting failures out in rows. The newest failure of a task counts.

    Args:
        failures: the failures. The IDs of two tasks may be the same once they are cut to the limit of the key.
        run_id: the run that learnt of them.

    Returns:
        One row per task, in the columns of the table.
    """
    rows = sorted((_row(failure, run_id) for failure in failures), key=itemgetter("last_failed_at"))
    return list({row["task_id"]: row for row in rows}.values())


def _row(failure: FetchFailure, run_id: str) -> DeadLetterRow:
    row: DeadLetterRow = {
        "task_id": failure.task.task_id,
        "reason": str(failure.reason),
        "http_status": failure.http_status,
        "error_code": failure.error_code,
        "detail": failure.detail,
        "trace_id": failure.trace_id,
        "attempts": failure.task.attempts,
        "first_failed_at": failure.failed_at,
        "last_failed_at": failure.failed_at,
        "resolved_at": None,
        "run_id": run_id,
    }
    texts = {name: storable_text(row[name], limit) for name, limit in LIMITS.items() if row[name] is not None}
    return row | texts
