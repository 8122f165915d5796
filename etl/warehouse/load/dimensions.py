"""The statements that add rows to the dimensions, and count what is new: as much as a table may hold.

KooDrive chooses these values. If it sends another code with each answer, the facts keep every one of them, but neither
the dimensions nor the counters of a run grow without end.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Insert,
    Select,
    Table,
    Text,
    case,
    cast,
    false,
    func,
    literal,
    not_,
    select,
)

from etl.runs import MAX_DRIFT_NAMES
from etl.warehouse.limits import MAX_DIMENSION_ROWS, MAX_KEY_CHARACTERS
from etl.warehouse.load.statements import fact, stage
from etl.warehouse.tables import (
    audit_run_counter,
    dim_result_code,
    dim_task_status,
    dim_task_type,
    dim_tenant,
    fact_task_status,
)
from etl.warehouse.temporary_tables import stage_facts

DIMENSIONS = {
    dim_task_status: "status",
    dim_task_type: "task_type",
    dim_result_code: "result_code",
    dim_tenant: "tenant_id",
}
"""The dimensions that runs add rows to, with the name of their key, which is also that of the fact's column."""

OTHER_CODES = "other new result codes"


def insert_unknown_statuses() -> Insert:
    """Add a row for each undocumented status; it is not terminal."""
    row = {"status": stage.status, "status_name": _unknown(stage.status), "is_terminal": false()}
    return _insert_missing(dim_task_status, row)


def insert_unknown_types() -> Insert:
    """Add a row for each undocumented task type."""
    return _insert_missing(dim_task_type, {"task_type": stage.task_type, "task_type_name": _unknown(stage.task_type)})


def insert_new_result_codes() -> Insert:
    """Add a row for each new result code, whose labels the user fills in."""
    row = {
        "result_code": stage.result_code,
        "is_documented": false(),
        "first_seen_at": func.min(stage.observed_at),
    }
    return _insert_missing(dim_result_code, row)


def insert_new_tenants() -> Insert:
    """Add a row for each new tenant, which the user names; an empty or long ID is no key."""
    fits = func.substr(stage.tenant_id, 1, MAX_KEY_CHARACTERS) == stage.tenant_id
    return _insert_missing(dim_tenant, {"tenant_id": stage.tenant_id}, stage.tenant_id != "", fits)


def insert_new_code_counters(run: str, started_at: datetime) -> Insert:
    """Count the tasks of a run by each result code that it was the first to meet, the most frequent ones by name."""
    code, tasks = dim_result_code.c, func.count()
    found = (
        select(
            code.result_code,
            tasks.label("tasks"),
            func.row_number().over(order_by=[tasks.desc(), code.result_code]).label("place"),
        )
        .select_from(dim_result_code.join(fact_task_status, fact.result_code == code.result_code))
        .where(code.first_seen_at >= started_at, not_(code.is_documented), fact.run_id == run)
        .group_by(code.result_code)
        .subquery("found")
    )
    full_name = literal("new result_code ", Text) + found.c.result_code
    name = case(
        (found.c.place <= MAX_DRIFT_NAMES, func.substr(full_name, 1, MAX_KEY_CHARACTERS)),
        else_=literal(OTHER_CODES, Text),
    )
    named = select(name.label("name"), found.c.tasks).subquery("named")
    counters = select(literal(run, Text), literal("drift", Text), named.c.name, func.sum(named.c.tasks))
    return audit_run_counter.insert().from_select(
        ["run_id", "counter", "name", "number"], counters.group_by(named.c.name)
    )


def count_left_out(connection: Connection, run: str) -> dict[str, int]:
    """Count the tasks of a run whose value has no row because its dimension is full, by dimension."""
    left_out = {
        dimension.name: connection.execute(_left_out(dimension, key, run)).scalar_one()
        for dimension, key in DIMENSIONS.items()
        if connection.execute(_number_of(dimension)).scalar_one() >= MAX_DIMENSION_ROWS
    }
    return {name: tasks for name, tasks in left_out.items() if tasks}


def _left_out(dimension: Table, key: str, run: str) -> Select[int]:
    has_no_row = fact[key].is_not(None), dimension.c[key].is_(None)
    joined = fact_task_status.outerjoin(dimension, dimension.c[key] == fact[key])
    return select(func.count()).select_from(joined).where(fact.run_id == run, *has_no_row)


def _number_of(dimension: Table) -> Select[int]:
    return select(func.count()).select_from(dimension)


def _unknown(number: ColumnElement[int]) -> ColumnElement[str]:
    return literal("UNKNOWN(", Text) + cast(number, Text) + literal(")", Text)


def _insert_missing(dimension: Table, row: dict[str, ColumnElement[Any]], *conditions: ColumnElement[bool]) -> Insert:
    """Add a row for each staged value without one, the most frequent first, until the dimension is full."""
    key_name, key = next(iter(row.items()))
    known = select(dimension.c[key_name]).where(dimension.c[key_name] == key).correlate(stage_facts).exists()
    place = func.row_number().over(order_by=[func.count().desc(), key]).label("place")
    missing = (
        select(*(value.label(name) for name, value in row.items()), place)
        .where(key.is_not(None), ~known, *conditions)
        .group_by(key)
        .subquery("missing")
    )
    room = MAX_DIMENSION_ROWS - _number_of(dimension).scalar_subquery()
    fitting = select(*(missing.c[name] for name in row)).where(missing.c.place <= room)
    return dimension.insert().from_select(list(row), fitting)
