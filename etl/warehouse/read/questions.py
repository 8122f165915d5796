"""The ready-made questions of ``sql/queries``: what a file says of itself, and the answer of a warehouse.

A file opens with a sentence, declares its parameters, one a line, and holds one SELECT::

    -- What is stuck?
    -- :hours (number, default 24): The hours after which a task counts as stuck.
    SELECT …

Names of columns say what they hold: ``…_at`` (and ``valid_from``, ``valid_until``) an instant, ``…_on`` a date,
``is_…`` a truth. Thereby an answer is the same from engines that keep these as text or as numbers.
"""

import re
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, cast

import polars as pl
from sqlalchemy import BigInteger, Dialect, Double, Engine, Text, bindparam, text
from sqlalchemy.types import TypeEngine

from etl.database.engines import engine_of
from etl.database.types import UtcDateTime
from etl.resources import resource
from etl.warehouse.tables import queue_state

Kind = Literal["text", "integer", "number", "time", "end"]
"""Of a parameter. An ``end`` is an instant that is itself no longer meant, so that a plain date means the whole day."""

TYPES: dict[Kind, TypeEngine[Any]] = {
    "text": Text(),
    "integer": BigInteger(),
    "number": Double(),
    "time": UtcDateTime(),
    "end": UtcDateTime(),
}

Cell = str | bool | int | float | date | datetime | None
"""A plain value; a ``datetime`` is aware and in UTC."""

DECLARATION = re.compile(r"-- :(\w+) \((text|integer|number|time|end)(?:, (?:default (.+?)|(optional)))?\): (.+)")

TIME = UtcDateTime()


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A value that a question asks for."""

    name: str
    kind: Kind
    default: str | None
    """As a person would write it; None where there must be a value, and empty where there need be none."""
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
        """Whether it wants the pending table beside the warehouse, as ``queue_state``."""
        return queue_state.name in self.statement


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultSet:
    """Columns and rows of plain values."""

    columns: Sequence[str]
    rows: Sequence[tuple[Cell, ...]]


def questions(dialect: str) -> dict[str, Question]:
    """Read all questions in the words of an engine, by name."""
    return {file.stem: read_question(file) for file in question_files(dialect)}


def question_files(dialect: str) -> list[Path]:
    """List the files of the questions; an engine's own file stands in for the common one."""
    folder = resource("sql", "queries")
    own = folder / dialect
    return [own / file.name if (own / file.name).exists() else file for file in sorted(folder.glob("*.sql"))]


def read_question(file: Path) -> Question:
    """Read one file."""
    lines = file.read_text(encoding="utf-8").splitlines()
    start = next(number for number, line in enumerate(lines) if not line.startswith("--"))
    declared = [match for line in lines[:start] if (match := DECLARATION.fullmatch(line))]
    return Question(
        name=file.stem,
        sentence=lines[0].removeprefix("-- "),
        parameters=tuple(_parameter(match) for match in declared),
        # Without its head, where a parameter's name would be taken for the parameter.
        statement="\n".join(lines[start:]),
    )


def ask(
    engine: Engine, question: Question, values: Mapping[str, object], *, queue: pl.DataFrame | None = None
) -> ResultSet:
    """Ask a warehouse.

    Args:
        engine: the warehouse.
        question: in the words of this engine.
        values: one for each parameter: text, int, float or aware datetime, as its kind says.
        queue: ``task_id`` and ``state`` of the pending table, for a question that reads it.
    """
    binds = [bindparam(each.name, values[each.name], type_=TYPES[each.kind]) for each in question.parameters]
    # MySQL makes no temporary table within a transaction that only reads.
    connecting = engine.execution_options(read_only=queue is None)
    with connecting.begin() as connection:
        beside = nullcontext() if queue is None else engine_of(connection).staged(connection, queue, queue_state)
        with beside:
            result = connection.execute(text(question.statement).bindparams(*binds))
            columns = tuple(result.keys())
            rows = [_plain_row(columns, row, connection.dialect) for row in result]
    return ResultSet(columns=columns, rows=rows)


def _parameter(declared: re.Match[str]) -> Parameter:
    name, kind, default, optional, meaning = declared.groups()
    return Parameter(name=name, kind=cast("Kind", kind), default="" if optional else default, meaning=meaning)


def _plain_row(columns: tuple[str, ...], row: Any, dialect: Dialect) -> tuple[Cell, ...]:
    return tuple(_plain(column, value, dialect) for column, value in zip(columns, row, strict=True))


def _plain(column: str, value: Any, dialect: Dialect) -> Any:
    """Make of an engine's value what the column's name says that it is."""
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
