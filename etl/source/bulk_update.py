"""Updates of many rows of the pending table at once, each with values of its own."""

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import BigInteger, Connection, Integer, Text, Update
from sqlalchemy.types import TypeEngine

from etl.database.types import UtcDateTime
from etl.source.engines import queue_sql_of
from etl.source.engines.base import Columns

ROW_TYPES: dict[str, TypeEngine[Any]] = {
    "held_id": Text(),
    "held_fence": BigInteger(),
    # These names differ from the table's columns, as the bound values of an update must.
    "new_state": Text(),
    "new_attempts": Integer(),
    "settled_at": UtcDateTime(),
    "due_at": UtcDateTime(),
    "new_status": BigInteger(),
    "new_looks": Integer(),
    "error": Text(),
}
"""The types of the values that find a held task and that are written into it."""


def bulk_update(connection: Connection, statement: Callable[[Columns], Update], rows: Sequence[dict[str, Any]]) -> int:
    """Run an update for every row, and return how many rows of the table it updated.

    Args:
        connection: a connection within a transaction.
        statement: a function that makes the update from a row's columns.
        rows: the values, under names of ``ROW_TYPES``. All callers sort them by task ID, so that no two runs wait for
            each other.
    """
    return queue_sql_of(connection).bulk_update(connection, statement, rows, ROW_TYPES) if rows else 0
