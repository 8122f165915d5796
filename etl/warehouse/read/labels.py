"""Imports, exports and counts the labels of result codes and task types.

A run adds the codes that it sees, and never changes a label.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, bindparam, func, not_, select, update

from etl.warehouse.read.label_file import RESULT_CODE, TASK_TYPE, Label
from etl.warehouse.tables import dim_result_code, dim_task_type

code, task_type = dim_result_code.c, dim_task_type.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """The result of an import."""

    labelled: int
    unmet: list[Label]
    """The labels of codes that no run has seen yet, which have no row in a dimension."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unexplained:
    """The number of codes without a label."""

    result_codes: int
    task_types: int


def import_labels(engine: Engine, labels: Sequence[Label]) -> Imported:
    """Write labels into the dimensions in one transaction. Other codes stay unchanged."""
    with engine.begin() as connection:
        known = {(label.dimension, label.code) for label in _labels(connection)}
        met = [label for label in labels if (label.dimension, label.code) in known]
        codes = [_of_code(label) for label in met if label.dimension == RESULT_CODE]
        types = [_of_type(label) for label in met if label.dimension == TASK_TYPE]
        if codes:
            connection.execute(update(dim_result_code).where(code.result_code == bindparam("key")), codes)
        if types:
            connection.execute(update(dim_task_type).where(task_type.task_type == bindparam("key")), types)
    return Imported(labelled=len(met), unmet=[label for label in labels if (label.dimension, label.code) not in known])


def export_labels(engine: Engine) -> list[Label]:
    """Read the labels of every code. Codes without a label come first."""
    with engine.execution_options(read_only=True).connect() as connection:
        return sorted(_labels(connection), key=lambda label: (bool(label.label), label.dimension, label.code))


def count_unexplained(engine: Engine) -> Unexplained:
    """Count the codes without a label."""
    unnamed = task_type.task_type_name.startswith("UNKNOWN(", autoescape=True)
    with engine.execution_options(read_only=True).connect() as connection:
        return Unexplained(
            result_codes=connection.execute(
                select(func.count()).select_from(dim_result_code).where(not_(code.is_documented))
            ).scalar_one(),
            task_types=connection.execute(select(func.count()).select_from(dim_task_type).where(unnamed)).scalar_one(),
        )


def _labels(connection: Connection) -> list[Label]:
    codes = connection.execute(select(code.result_code, code.title, code.category, code.action))
    types = connection.execute(
        select(task_type.task_type, task_type.task_type_name, task_type.category, task_type.action)
    )
    return [
        *(_label(RESULT_CODE, key, *words) for key, *words in codes),
        *(_label(TASK_TYPE, str(key), "" if name == _unnamed(key) else name, *words) for key, name, *words in types),
    ]


def _label(dimension: str, key: str, label: str | None, category: str | None, remedy: str | None) -> Label:
    return Label(dimension=dimension, code=key, label=label or "", category=category or "", remedy=remedy or "")


def _of_code(label: Label) -> dict[str, Any]:
    return {
        "key": label.code,
        "title": label.label or None,
        "category": label.category or None,
        "action": label.remedy or None,
        "is_documented": bool(label.label),
    }


def _of_type(label: Label) -> dict[str, Any]:
    return {
        "key": int(label.code),
        "task_type_name": label.label or _unnamed(label.code),
        "category": label.category or None,
        "action": label.remedy or None,
    }


def _unnamed(key: int | str) -> str:
    """Return the name that a run gives an unknown task type."""
    return f"UNKNOWN({key})"
