"""The pending table, and the expressions that order its tasks in every engine alike."""

from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, ColumnElement, Double, Integer, MetaData, Table, Text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from etl.database.types import KeyText, UtcDateTime
from etl.source.engines import queue_sql_of

FIRST_YEAR, LAST_YEAR = 2, 9998
"""The years in which every engine and Python can hold a time in every zone; the table takes no other."""

MAX_ID_CHARACTERS = 500
"""The length of a task ID, which may be anything that a program inserts."""

MAX_STATE_CHARACTERS = 20

POSITION = "submitted_ms"
"""The column of the pending table that holds ``submitted_ms`` if the engine has no indexes of expressions."""


def pending_table(name: str) -> Table:
    """Describe the pending table, under a name that may be schema-qualified."""
    schema, _, table = name.rpartition(".")
    count: dict[str, Any] = {"nullable": False, "server_default": "0"}
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
        Column("attempts", Integer, **count, comment="Runs in a row that could not audit the task."),
        Column("next_check_at", UtcDateTime, comment="When the task is due again. Null: at once."),
        Column("lease_owner", Text, comment="The run that holds the task. Null: no run does."),
        Column("lease_until", UtcDateTime, comment="Until when it holds the task, unless it prolongs the lease."),
        Column(
            "fence", BigInteger, **count, comment="Grows with every claim; a run that lost its lease writes nothing."
        ),
        Column("last_checked_at", UtcDateTime, comment="When KooDrive last answered about the task."),
        Column("last_error", Text, comment="Why the last run could not audit the task. Null: it could."),
        Column("last_status", BigInteger, comment="The status that KooDrive last reported. Null: none yet."),
        Column("unchanged_looks", Integer, comment="Runs in a row that found the task open, and its status as before."),
        schema=schema or None,
        comment="Tasks to audit; a plain INSERT of a task_id is enough to add one.",
        info={"stored_position": POSITION},
    )


class submitted_ms(FunctionElement[int]):  # noqa: N801 - it reads as the SQL function it stands for
    """The milliseconds from 1970 to a task's submission: by the column, else by the time inside the ID, else 0.

    Engines keep times in different ways; this is the form in which all of them order and compare tasks alike. An ID
    that is no number has no time: it comes first and belongs to no date range.
    """

    type = BigInteger()
    inherit_cache = True

    def __init__(self, submitted_at: ColumnElement[Any], task_id: ColumnElement[str]) -> None:
        super().__init__(submitted_at, task_id)


@compiles(submitted_ms)
def _submitted_ms(element: submitted_ms, compiler: SQLCompiler, **options: Any) -> str:
    submitted_at, task_id = element.clauses
    return queue_sql_of(compiler.dialect).position(submitted_at, task_id, partial(compiler.process, **options))


class is_task_id(FunctionElement[bool]):  # noqa: N801 - it reads as the SQL function it stands for
    """Whether a text is a task ID, which KooDrive can be asked about."""

    type = Boolean()
    inherit_cache = True

    def __init__(self, task_id: ColumnElement[str]) -> None:
        super().__init__(task_id)


@compiles(is_task_id)
def _is_task_id(element: is_task_id, compiler: SQLCompiler, **options: Any) -> str:
    (task_id,) = element.clauses
    return f"({queue_sql_of(compiler.dialect).is_id_sql(compiler.process(task_id, **options))})"


class random_number(FunctionElement[float]):  # noqa: N801 - it reads as the SQL function it stands for
    """A number that is another one for each row and each time."""

    type = Double()
    inherit_cache = True


@compiles(random_number)
def _random_number(_element: random_number, compiler: SQLCompiler, **_options: Any) -> str:
    return queue_sql_of(compiler.dialect).random_sql


class as_instant(FunctionElement[datetime]):  # noqa: N801 - it reads as the SQL function it stands for
    """The instant that a column of any type means: a time, a date, or a text of either, without a zone in UTC."""

    type = UtcDateTime()
    inherit_cache = True

    def __init__(self, value: ColumnElement[Any]) -> None:
        super().__init__(value)


@compiles(as_instant)
def _as_instant(element: as_instant, compiler: SQLCompiler, **options: Any) -> str:
    (value,) = element.clauses
    return queue_sql_of(compiler.dialect).instant(value, partial(compiler.process, **options))


class as_readable_instant(as_instant):  # noqa: N801 - it reads as the SQL function it stands for
    """The same instant, but null, or a text that ``ReadableInstant`` does not read, for a value that is no time."""

    inherit_cache = True


@compiles(as_readable_instant)
def _as_readable_instant(element: as_readable_instant, compiler: SQLCompiler, **options: Any) -> str:
    (value,) = element.clauses
    return queue_sql_of(compiler.dialect).readable_instant(value, partial(compiler.process, **options))
