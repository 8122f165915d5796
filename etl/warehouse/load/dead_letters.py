"""The rows of dead letters, in the frame that a load stages."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Integer
from sqlalchemy.types import TypeEngine

from etl.database.types import UtcDateTime
from etl.tasks import FetchFailure
from etl.warehouse.tables import dead_letter
from etl.warehouse.text import ForeignText, storable_text

if TYPE_CHECKING:
    import polars as pl

LIMITS = {column.name: column.type.characters for column in dead_letter.c if isinstance(column.type, ForeignText)}
"""The characters that a column of text from outside may hold, by its name."""


def dead_letter_rows(failures: Sequence[FetchFailure], run_id: str) -> "pl.DataFrame":
    """Lay lasting failures out in rows. The newest failure of a task counts.

    Args:
        failures: at least one failure. The IDs of two tasks may be the same once they are cut to the limit of the key.
        run_id: the run that learnt of them.

    Returns:
        One row per task, in the columns of the table.
    """
    import polars as pl  # noqa: PLC0415 - commands that read the warehouse do not wait for it

    schema = {column.name: _polars_type(column.type) for column in dead_letter.c}
    rows = pl.DataFrame([_row(failure, run_id) for failure in failures], schema=schema)
    return rows.sort("last_failed_at").unique("task_id", keep="last", maintain_order=True)


def _row(failure: FetchFailure, run_id: str) -> dict[str, Any]:
    row: dict[str, Any] = {
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


def _polars_type(sql_type: TypeEngine[Any]) -> "pl.DataType":
    import polars as pl  # noqa: PLC0415 - as above

    if isinstance(sql_type, UtcDateTime):
        return pl.Datetime("us", "UTC")
    return pl.Int64() if isinstance(sql_type, Integer) else pl.String()
