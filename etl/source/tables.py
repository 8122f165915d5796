"""The pending table, and the order of its tasks."""

from typing import Any

from sqlalchemy import BigInteger, Column, ColumnElement, Integer, MetaData, Table, Text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from etl.database.types import UtcDateTime
from etl.tasks import ID_EPOCH_MS, ID_TIME_SHIFT, MAX_TASK_ID_DIGITS

FIRST_YEAR, LAST_YEAR = 2, 9998
"""Between them, every engine and Python can hold a time in every zone; the table takes no other."""


def pending_table(name: str) -> Table:
    """Describe the pending table, under a name that may be schema-qualified."""
    schema, _, table = name.rpartition(".")
    return Table(
        table,
        MetaData(),
        Column("task_id", Text, primary_key=True),
        Column("submitted_at", UtcDateTime),
        Column("state", Text, nullable=False),
        Column("attempts", Integer, nullable=False),
        Column("next_check_at", UtcDateTime),
        Column("lease_owner", Text),
        Column("lease_until", UtcDateTime),
        Column("fence", BigInteger, nullable=False),
        Column("last_checked_at", UtcDateTime),
        Column("last_error", Text),
        schema=schema or None,
    )


class submitted_ms(FunctionElement[int]):  # noqa: N801 - it reads as the SQL function it stands for
    """Milliseconds from 1970 to a task's submission: the column, else the time inside the ID, else 0.

    Databases keep times in different ways; this is the one form in which all of them order and compare tasks alike.
    An ID that is no number has no time: it comes first and belongs to no date range.
    """

    type = BigInteger()
    inherit_cache = True

    def __init__(self, submitted_at: ColumnElement[Any], task_id: ColumnElement[str]) -> None:
        super().__init__(submitted_at, task_id)


@compiles(submitted_ms, "postgresql")
def _submitted_ms_postgresql(element: submitted_ms, compiler: SQLCompiler, **options: Any) -> str:
    submitted_at, task_id = (compiler.process(clause, **options) for clause in element.clauses)
    return (
        # AT TIME ZONE makes the expression immutable, which an index needs.
        f"COALESCE(floor(extract(epoch FROM {submitted_at} AT TIME ZONE 'UTC') * 1000)::bigint, "
        f"CASE WHEN {task_id} ~ '^[0-9]{{1,{MAX_TASK_ID_DIGITS}}}$' "
        # Division of numerics rounds; div cuts.
        f"THEN div({task_id}::numeric, {1 << ID_TIME_SHIFT})::bigint + {ID_EPOCH_MS} ELSE 0 END)"
    )


@compiles(submitted_ms, "sqlite")
def _submitted_ms_sqlite(element: submitted_ms, compiler: SQLCompiler, **options: Any) -> str:
    submitted_at, task_id = (compiler.process(clause, **options) for clause in element.clauses)
    # SQLite rounds to the millisecond where all others cut, so what is finer is cut off before.
    cut = (
        f"CASE WHEN {submitted_at} GLOB '*.[0-9][0-9][0-9][0-9]*' "
        f"THEN substr({submitted_at}, 1, 23) || ltrim(substr({submitted_at}, 24), '0123456789') ELSE {submitted_at} END"
    )
    # 19 digits can be more than its integers hold: id >> 23 is (a * 5^9 + (b >> 9)) >> 14 for id = a * 10^9 + b.
    upper, lower = f"substr({task_id}, 1, length({task_id}) - 9)", f"substr({task_id}, -9)"
    in_id = f"(CAST({upper} AS INTEGER) * {5**9} + (CAST({lower} AS INTEGER) >> 9)) >> {ID_TIME_SHIFT - 9}"
    return (
        # It counts in whole milliseconds inside, and its Julian days are exact to a fraction of one.
        f"COALESCE(CAST(round((julianday({cut}) - 2440587.5) * 86400000.0) AS INTEGER), "
        f"CASE WHEN {task_id} NOT GLOB '*[^0-9]*' AND length({task_id}) BETWEEN 1 AND {MAX_TASK_ID_DIGITS} "
        f"THEN ({in_id}) + {ID_EPOCH_MS} ELSE 0 END)"
    )
