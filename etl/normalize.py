"""Turns observations into fact rows. Pure.

This module settles what a field means. ``etl.koodrive`` decides before whether a response can be believed. It uses no
library of data frames: polars takes six times its processor time for a batch of 5,000 rows, and its import more than
the rest of a short run.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import cache, partial
from operator import attrgetter
from typing import Any

from etl.tasks import Observation, time_in_id
from etl.tasks.detail import API_FIELDS, FIELDS, MAX_CODE_CHARACTERS, Field, Kind

Value = str | int | datetime | None

FactRow = tuple[Value, ...]
"""The values of ``COLUMNS``."""

COLUMNS = (*(field.name for field in FIELDS), "observed_at")

TASK_ID, OBSERVED_AT = COLUMNS.index("task_id"), COLUMNS.index("observed_at")


def normalize(
    observations: Sequence[Observation], *, redact: Callable[[str], str] = lambda text: text
) -> list[FactRow]:
    """Make one fact row of each observed task, ordered by task ID. The newest observation of a task counts.

    Args:
        observations: answers about tasks with valid IDs, in any order.
        redact: takes secrets out of a text.
    """
    tasks = [observation.task for observation in observations]
    details = [observation.detail for observation in observations]
    columns: dict[str, Iterable[Value]] = {
        field.name: map(_reader(field, redact), map(attrgetter(field.name), details)) for field in API_FIELDS
    }
    columns |= {
        "task_id": [task.task_id for task in tasks],
        "submitted_at": [task.submitted_at or time_in_id(task.task_id) for task in tasks],
        "submitted_at_source": ["queue" if task.submitted_at else "task_id" for task in tasks],
        "observed_at": [observation.observed_at for observation in observations],
    }
    newest: dict[Value, FactRow] = {}
    for row in zip(*(columns[name] for name in COLUMNS), strict=True):
        other = newest.setdefault(row[TASK_ID], row)
        if other is not row and _order(row) > _order(other):
            newest[row[TASK_ID]] = row
    return [newest[task_id] for task_id in sorted(newest)]  # type: ignore[type-var]  # IDs are text


def _reader(field: Field, redact: Callable[[str], str]) -> Callable[[Any], Value]:
    """Return what normalizes the values of a field; many answers have the same tenant, user, code and message."""
    if field.kind is Kind.NUMBER:
        return _number
    return cache(partial(_code if field.kind is Kind.CODE else _text, redact=redact))


def _number(value: int | str | None) -> int | None:
    return None if value is None else int(value)


def _text(value: int | str | None, *, redact: Callable[[str], str]) -> str | None:
    """Make text of a value, without NUL: the one character that PostgreSQL cannot store."""
    if value is None:
        return None
    return (redact(value) if isinstance(value, str) else str(value)).replace("\0", "\N{REPLACEMENT CHARACTER}")


def _code(value: int | str | None, *, redact: Callable[[str], str]) -> str | None:
    """Cut a code to what an index takes. An absent code and an empty code mean the same: KooDrive sent none."""
    return (_text(value, redact=redact) or "")[:MAX_CODE_CHARACTERS] or None


def _order(row: FactRow) -> tuple[Any, ...]:
    """Return what orders the rows of a task: every value, so that the order of the input does not matter."""
    return row[OBSERVED_AT], *((value is not None, value) for value in row)
