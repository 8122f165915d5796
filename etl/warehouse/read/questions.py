"""The ready-made questions of ``sql/queries``: their parameters, and the answer of a warehouse.

A file declares each parameter on a line of its head::

    -- What is stuck?
    -- :hours (number, default 24): The hours after which a task counts as stuck.
    SELECT …

The name of a column says what its values are: ``…_at`` (and ``valid_from``, ``valid_until``) an instant, ``…_on`` a
date, ``is_…`` a truth value. Engines that keep these as text or numbers therefore give the same answer as the others.
"""

import re
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any, Literal, cast

from sqlalchemy import BigInteger, Dialect, Double, Engine, Text, bindparam, text
from sqlalchemy.types import TypeEngine

from etl.database.engines import engine_of
from etl.database.engines.base import Rows
from etl.database.types import UtcDateTime
from etl.warehouse.sql_files import read_sql_file, sql_files
from etl.warehouse.temporary_tables import queue_state

Kind = Literal["text", "integer", "number", "time", "end"]
"""The kinds of a parameter. An ``end`` is an excluded instant, and a plain date as an ``end`` includes the day."""

TYPES: dict[Kind, TypeEngine[Any]] = {
    "text": Text(),
    "integer": BigInteger(),
    "number": Double(),
    "time": UtcDateTime(),
    "end": UtcDateTime(),
}

Cell = str | bool | int | float | date | datetime | None
"""A plain value; a ``datetime`` is aware and in UTC."""

DECLARATION = re.compile(rf"\(({'|'.join(TYPES)})(?:, (?:default (.+?)|(optional)))?\): (.+)")

TIME = UtcDateTime()


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A value that a question asks for."""

    name: str
    kind: Kind
    default: str | None
    """The default as a user would write it. None: a value is required. Empty: the parameter is optional."""
    meaning: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A file of ``sql/queries``."""

    name: str
    sentence: str
    parameters: tuple[Parameter, ...]
    statement: str

    @property
    def reads_queue(self) -> bool:
        """Whether the question reads the pending table, as ``queue_state`` beside the warehouse."""
        return queue_state.name in self.statement


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultSet:
    """Columns and rows of plain values."""

    columns: Sequence[str]
    rows: Sequence[tuple[Cell, ...]]


def questions(dialect: str) -> dict[str, Question]:
    """Read all questions for an engine, by name."""
    return {file.stem: read_question(file) for file in sql_files("queries", dialect)}


def read_question(path: Path) -> Question:
    """Read one file.

    Raises:
        ValueError: a declaration of a parameter is malformed.
    """
    file = read_sql_file(path)
    return Question(
        name=file.name,
        sentence=file.sentence,
        parameters=tuple(_parameter(name, declaration) for name, declaration in file.declarations.items()),
        statement=file.statement,
    )


def ask(
    engine: Engine,
    question: Question,
    values: Mapping[str, object],
    *,
    queue: Rows | None = None,
    max_rows: int | None = None,
) -> ResultSet:
    """Ask a warehouse.

    Args:
        engine: the warehouse.
        question: a question of this engine.
        values: one for each parameter: text, int, float or aware datetime, as its kind says, or None for an optional
            time.
        queue: ``task_id`` and ``state`` of the pending table, for a question that reads it.
        max_rows: the rows to read, at most; None: all.
    """
    binds = [bindparam(each.name, values[each.name], type_=TYPES[each.kind]) for each in question.parameters]
    # MySQL creates no temporary table within a read-only transaction.
    connecting = engine.execution_options(read_only=queue is None)
    with connecting.begin() as connection:
        beside = nullcontext() if queue is None else engine_of(connection).staged(connection, queue, queue_state)
        with beside:
            statement = engine_of(connection).qualify(question.statement)
            bound = text(statement).bindparams(*binds)
            if max_rows is not None:
                # The driver would otherwise fetch every row before the first is read.
                bound = bound.execution_options(stream_results=True, max_row_buffer=max_rows)
            with connection.execute(bound) as result:
                columns = tuple(result.keys())
                found = result if max_rows is None else islice(result, max_rows)
                rows = [_plain_row(columns, row, connection.dialect) for row in found]
    return ResultSet(columns=columns, rows=rows)


def _parameter(name: str, declaration: str) -> Parameter:
    found = DECLARATION.fullmatch(declaration)
    if not found:
        raise ValueError(f"{name} has a malformed declaration: {declaration}")
    kind, default, optional, meaning = found.groups()
    return Parameter(name=name, kind=cast("Kind", kind), default="" if optional else default, meaning=meaning)


def _plain_row(columns: tuple[str, ...], row: Any, dialect: Dialect) -> tuple[Cell, ...]:
    return tuple(_plain(column, value, dialect) for column, value in zip(columns, row, strict=True))


def _plain(column: str, value: Any, dialect: Dialect) -> Any:
    """Convert an engine's value to the type that the column's name says."""
    if value is None:
        return None
    if column.endswith("_at") or column in {"valid_from", "valid_until"}:
        return TIME.process_result_value(value, dialect)
    if column.endswith("_on"):
        return value if isinstance(value, date) and not isinstance(value, datetime) else date.fromisoformat(value)
    if column.startswith("is_"):
        return bool(value)
    if isinstance(value, Decimal):
        return int(value) if value.as_tuple().exponent == 0 else float(value)
    return value
