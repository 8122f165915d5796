"""Imports, exports and counts the labels of result codes, task types and tenants.

A run adds the codes that it sees, and never changes a label.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Connection, Engine, bindparam, func, not_, select, update

from etl.warehouse.read.label_file import RESULT_CODE, TASK_TYPE, TENANT, Label
from etl.warehouse.tables import dim_result_code, dim_task_type, dim_tenant

code, task_type, tenant = dim_result_code.c, dim_task_type.c, dim_tenant.c


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
        for dimension, (key, row_of) in ROWS.items():
            if rows := [row_of(label) for label in met if label.dimension == dimension]:
                connection.execute(update(key.table).where(key == bindparam("key")), rows)
    return Imported(labelled=len(met), unmet=[label for label in labels if (label.dimension, label.code) not in known])


def export_labels(engine: Engine) -> list[Label]:
    """Read the labels of every code. Codes without a label come first."""
    with engine.execution_options(read_only=True).connect() as connection:
        return sorted(_labels(connection), key=lambda label: (bool(label.title), label.dimension, label.code))


def count_unexplained(engine: Engine) -> Unexplained:
    """Count the codes without a label. Tenants do not count: few users have a name for each of them."""
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
    tenants = connection.execute(select(tenant.tenant_id, tenant.tenant_name, tenant.category, tenant.action))
    return [
        *(_label(RESULT_CODE, key, *words) for key, *words in codes),
        *(_label(TASK_TYPE, str(key), "" if name == _unnamed(key) else name, *words) for key, name, *words in types),
        *(_label(TENANT, key, *words) for key, *words in tenants),
    ]


def _label(dimension: str, key: str, title: str | None, category: str | None, action: str | None) -> Label:
    return Label(dimension=dimension, code=key, title=title or "", category=category or "", action=action or "")


def _of_code(label: Label) -> dict[str, Any]:
    return {
        "key": label.code,
        "title": label.title or None,
        "category": label.category or None,
        "action": label.action or None,
        "is_documented": bool(label.title),
    }


def _of_type(label: Label) -> dict[str, Any]:
    return {
        "key": int(label.code),
        "task_type_name": label.title or _unnamed(label.code),
        "category": label.category or None,
        "action": label.action or None,
    }


def _of_tenant(label: Label) -> dict[str, Any]:
    return {
        "key": label.code,
        "tenant_name": label.title or None,
        "category": label.category or None,
        "action": label.action or None,
    }


ROWS: dict[str, tuple[Column[Any], Callable[[Label], dict[str, Any]]]] = {
    RESULT_CODE: (code.result_code, _of_code),
    TASK_TYPE: (task_type.task_type, _of_type),
    TENANT: (tenant.tenant_id, _of_tenant),
}
"""The key of each dimension, and the function that makes its row of a label."""


def _unnamed(key: int | str) -> str:
    """Return the name that a run gives an unknown task type."""
    return f"UNKNOWN({key})"
