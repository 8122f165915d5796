"""Claims and updates of the pending table in the words of MySQL and MariaDB.

They have no UPDATE that returns rows, lock every row that a sort reads, and take rows as JSON in a form of their own.
"""

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, Select, Table, and_, column, or_, select, text, update
from sqlalchemy.types import TypeEngine

from etl.database.engines.base import plain_text
from etl.database.types import UtcDateTime
from etl.source.tables import submitted_ms


def claim(
    connection: Connection,
    table: Table,
    *conditions: ColumnElement[bool],
    states: Sequence[str],
    after: tuple[int, str] | None,
    limit: int,
    values: Mapping[str, Any],
) -> Sequence[Row[Any]]:
    """Take up to ``limit`` rows that meet the conditions, in the order of the index.

    Args:
        connection: within a transaction.
        table: the pending table.
        conditions: what makes a row due.
        states: each has an order of its own in the index.
        after: the position where the last claim ended.
        limit: rows to take, at most.
        values: what a claim writes.

    Returns:
        Task ID, submission, attempts and fence after the claim, and position.
    """
    rows: list[Row[Any]] = []
    for state in states:
        due = _in_order(table, after).where(table.c.state == state, *conditions).limit(limit)
        rows += connection.execute(due.with_for_update(skip_locked=True)).all()
    taken = sorted(rows, key=attrgetter("ms", "task_id"))[:limit]
    if taken:
        task_ids = [row.task_id for row in taken]
        connection.execute(update(table).where(table.c.task_id.in_(task_ids)).values(**values))
    return taken


def _in_order(table: Table, after: tuple[int, str] | None) -> Select[Any]:
    ms, task_id = submitted_ms(table.c.submitted_at, table.c.task_id), table.c.task_id
    query = (
        select(
            task_id,
            table.c.submitted_at,
            (table.c.attempts + 1).label("attempts"),
            (table.c.fence + 1).label("fence"),
            ms.label("ms"),
        )
        # Rows that a sort reads are locked, whether they are taken or not; walking the index sorts nothing.
        .with_hint(table, f"FORCE INDEX ({table.name}_due)", "mysql")
        .order_by(ms, task_id)
    )
    if after is None:
        return query
    # A comparison of pairs would not use the index.
    return query.where(ms >= after[0], or_(ms > after[0], and_(ms == after[0], task_id > after[1])))


def given_rows(
    rows: Sequence[Mapping[str, Any]], types: Mapping[str, TypeEngine[Any]]
) -> tuple[dict[str, ColumnElement[Any]], str]:
    """Describe rows to a statement that is told of them as one JSON array, bound as ``rows``.

    Args:
        rows: values by name; the names are the same in all.
        types: of the values, by name.

    Returns:
        The columns by name, and the array.
    """
    names = list(rows[0])
    fields = ", ".join(f"{name} {_json_type(types[name])} PATH '$.{name}'" for name in names)
    given = (
        text(f"SELECT * FROM JSON_TABLE(:rows, '$[*]' COLUMNS ({fields})) AS given")  # noqa: S608 - our own names
        .columns(*(column(name, types[name]) for name in names))
        .subquery("held")
    )
    array = msgspec.json.encode([_plain(row, types) for row in rows]).decode()
    return {name: given.c[name] for name in names}, array


def _json_type(type_: TypeEngine[Any]) -> str:
    if isinstance(type_, UtcDateTime):
        return "DATETIME(6)"
    # The default may be another character set, which would lose text.
    return "BIGINT" if type_.python_type is int else "LONGTEXT CHARACTER SET utf8mb4"


def _plain(row: Mapping[str, Any], types: Mapping[str, TypeEngine[Any]]) -> dict[str, Any]:
    """Write times as MySQL reads them, and leave nulls out, which JSON has in two ways."""
    return {
        name: plain_text(value) if isinstance(types[name], UtcDateTime) else value
        for name, value in row.items()
        if value is not None
    }
