"""The pending table, and the order of its tasks."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Column, ColumnElement, Integer, MetaData, Table, Text, cast, column
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from etl.database.types import KeyText, UtcDateTime
from etl.tasks import ID_EPOCH_MS, ID_TIME_SHIFT, MAX_TASK_ID_DIGITS

FIRST_YEAR, LAST_YEAR = 2, 9998
"""Between them, every engine and Python can hold a time in every zone; the table takes no other."""


MAX_ID_CHARACTERS = 500
"""Of a task ID, which may be anything that somebody inserts."""

MAX_STATE_CHARACTERS = 20

POSITION = "submitted_ms"
"""The column of the pending table that holds ``submitted_ms`` where indexes of expressions are unknown: MariaDB."""


def pending_table(name: str) -> Table:
    """Describe the pending table, under a name that may be schema-qualified."""
    schema, _, table = name.rpartition(".")
    return Table(
        table,
        MetaData(),
        Column("task_id", KeyText(MAX_ID_CHARACTERS), primary_key=True, comment="What to ask KooDrive about."),
        Column(
            "submitted_at", UtcDateTime, comment="When the task was submitted. Null: the time inside the ID is used."
        ),
        Column(
            "state",
            KeyText(MAX_STATE_CHARACTERS),
            nullable=False,
            server_default="pending",
            comment="pending; done: it has ended and is in the facts; dead: it is a dead letter.",
        ),
        Column(
            "attempts",
            Integer,
            nullable=False,
            server_default="0",
            comment="Runs in a row that could not audit the task.",
        ),
        Column("next_check_at", UtcDateTime, comment="When the task is due again. Null: at once."),
        Column("lease_owner", Text, comment="The run that holds the task. Null: nobody does."),
        Column("lease_until", UtcDateTime, comment="Until when it holds the task, unless it prolongs the lease."),
        Column(
            "fence",
            BigInteger,
            nullable=False,
            server_default="0",
            comment="Grows with every claim; a run that lost its lease writes nothing.",
        ),
        Column("last_checked_at", UtcDateTime, comment="When KooDrive last told about the task."),
        Column("last_error", Text, comment="Why the last run could not audit the task. Null: it could."),
        schema=schema or None,
        comment="Tasks to audit; a plain INSERT of a task_id is enough to add one.",
        info={"mysql_position": POSITION},
    )


ZONE = "[+-][0-9]{2}:[0-9]{2}"

TIME_FORM = f"^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}([T ][0-9]{{2}}:[0-9]{{2}}(:[0-9]{{2}}([.][0-9]+)?)? *([Zz]|{ZONE})?)?$"
"""Of the ways to write a time, those that MySQL is asked to read."""


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


@compiles(submitted_ms, "mysql")
def _submitted_ms_mysql(element: submitted_ms, compiler: SQLCompiler, **options: Any) -> str:
    submitted_at, task_id = element.clauses
    relation = getattr(task_id, "table", None)
    if isinstance(relation, Table) and "mysql_position" in relation.info:
        stored: ColumnElement[int] = column(relation.info["mysql_position"], _selectable=relation)
        return compiler.process(stored, **options)
    time, key = compiler.process(submitted_at, **options), compiler.process(task_id, **options)
    return (
        f"COALESCE(CAST(FLOOR(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', {time}) / 1000) AS SIGNED), "
        f"CASE WHEN {key} NOT REGEXP '[^0-9]' AND CHAR_LENGTH({key}) BETWEEN 1 AND {MAX_TASK_ID_DIGITS} "
        f"THEN CAST((CAST({key} AS UNSIGNED) >> {ID_TIME_SHIFT}) + {ID_EPOCH_MS} AS SIGNED) ELSE 0 END)"
    )


class as_instant(FunctionElement[datetime]):  # noqa: N801 - it reads as the SQL function it stands for
    """The instant that a column of any type means: a time, a date, or a text of either, without a zone in UTC."""

    type = UtcDateTime()
    inherit_cache = True

    def __init__(self, value: ColumnElement[Any]) -> None:
        super().__init__(value)


@compiles(as_instant)
def _as_instant(element: as_instant, compiler: SQLCompiler, **options: Any) -> str:
    (value,) = element.clauses
    return compiler.process(cast(value, UtcDateTime), **options)


@compiles(as_instant, "mysql")
def _as_instant_mysql(element: as_instant, compiler: SQLCompiler, **options: Any) -> str:
    """Write it as text, for MySQL's own casts ignore a zone, and make null of what is no time.

    What is in another form stays as it is, so that it is read, or refused, where all text is: by ``UtcDateTime``.
    """
    (clause,) = element.clauses
    value = f"TRIM({compiler.process(clause, **options)})"
    zone = f"RIGHT({value}, 6)"
    # Cut after the microseconds: MySQL would round.
    local = f"CAST(REGEXP_REPLACE({value}, '((?<=[.][0-9]{{6}})[0-9]+)? *([Zz]|{ZONE})?$', '') AS DATETIME(6))"
    minutes = f"CAST(SUBSTR({zone}, 2, 2) * 60 + SUBSTR({zone}, 5, 2) AS SIGNED)"
    return (
        f"CASE WHEN {value} NOT REGEXP '{TIME_FORM}' THEN {value} "
        f"WHEN {zone} NOT REGEXP '^{ZONE}$' THEN CAST({local} AS CHAR) "
        f"WHEN LEFT({zone}, 1) = '-' THEN CAST(TIMESTAMPADD(MINUTE, {minutes}, {local}) AS CHAR) "
        f"ELSE CAST(TIMESTAMPADD(MINUTE, -{minutes}, {local}) AS CHAR) END"
    )
