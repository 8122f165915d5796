"""Updates of many rows of the pending table at once, each with values of its own."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import (
    JSON,
    BigInteger,
    ColumnElement,
    Connection,
    Integer,
    Text,
    Update,
    bindparam,
    cast,
    column,
    func,
)
from sqlalchemy.types import TypeEngine

from etl.database.types import UtcDateTime
from etl.source import mysql

ROW_TYPES: dict[str, TypeEngine[Any]] = {
    "held_id": Text(),
    "held_fence": BigInteger(),
    # Their names differ from the table's columns, as a bind's must in an update of those columns.
    "new_state": Text(),
    "new_attempts": Integer(),
    "settled_at": UtcDateTime(),
    "error": Text(),
}
"""What is written about a held task, and how to find it."""

Columns = Mapping[str, ColumnElement[Any]]


def bulk_update(connection: Connection, statement: Callable[[Columns], Update], rows: Sequence[dict[str, Any]]) -> int:
    """Run an update for every row, given in one order by everybody, so that two runs do not wait for each other.

    Args:
        connection: within a transaction.
        statement: makes the update from a row's columns.
        rows: the values, under names of ``ROW_TYPES``.

    Returns:
        How many rows of the table were updated.
    """
    if not rows:
        return 0
    if connection.dialect.name == "mysql":
        given_columns, json_rows = mysql.given_rows(rows, ROW_TYPES)
        return connection.execute(statement(given_columns), {"rows": json_rows}).rowcount
    if connection.dialect.name != "postgresql":
        given = {name: bindparam(name, type_=ROW_TYPES[name]) for name in rows[0]}
        return connection.execute(statement(given), rows).rowcount
    # One statement for all rows, which travel as one JSON array: one statement each costs this process four times as
    # much, and arrays of a column each twice as much.
    columns = [column(name, ROW_TYPES[name]) for name in rows[0]]
    array = func.json_to_recordset(cast(bindparam("rows", type_=Text), JSON))
    held = array.table_valued(*columns).render_derived(name="held", with_types=True).c
    update_all = statement({name: held[name] for name in rows[0]})
    return connection.execute(update_all, {"rows": msgspec.json.encode(rows).decode()}).rowcount
