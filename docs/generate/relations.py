"""Lists the tables and views of the warehouse with types, keys and references, for the dbt package and the contract."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, create_engine

from etl.exit_codes import ExitCode
from etl.runs import RUNNING
from etl.tasks.failure_reasons import FailureReason
from etl.warehouse.dictionary import Relation, describe_tables, describe_views
from etl.warehouse.schema import upgrade_warehouse
from etl.warehouse.tables import METADATA

TYPES = {
    "VARCHAR": "string",
    "BIGINT": "integer",
    "INTEGER": "integer",
    "HUGEINT": "integer",
    "DOUBLE": "number",
    "TIMESTAMP WITH TIME ZONE": "timestamp",
    "DATE": "date",
    "BOOLEAN": "boolean",
}
"""The logical type of each type of DuckDB that the warehouse has."""

REFERENCE = re.compile(r"\bsee (\w+)\.")
"""How the meaning of a column names the table that its values refer to."""

VALUES = {
    ("audit_run", "outcome"): (*(code.outcome for code in ExitCode), RUNNING),
    ("dead_letter", "reason"): tuple(str(reason) for reason in FailureReason if reason.recovery.is_lasting),
    ("fact_task_status", "submitted_at_source"): ("queue", "task_id"),
}
"""The values that a column may have."""

KEYS_OF_VIEWS = {"v_task_status": "task_id", "v_open_tasks": "task_id", "v_run_health": "run_id"}
"""The column that identifies a row of a view."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TypedColumn:
    """A column with all that other tools can check."""

    name: str
    meaning: str
    type: str
    """The logical type, as an Open Data Contract names it."""
    key_position: int | None
    """The place in the primary key, from 1 on; None: the column is not in it."""
    is_required: bool
    refers_to: tuple[str, str] | None
    """The table and the column that the values refer to."""
    values: tuple[str, ...]
    """All values that the column may have. Empty: any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TypedRelation:
    """A table or a view."""

    name: str
    kind: str
    meaning: str
    columns: tuple[TypedColumn, ...]

    @property
    def key(self) -> tuple[str, ...]:
        """The names of the columns of the key."""
        keyed = sorted((column.key_position, column.name) for column in self.columns if column.key_position)
        return tuple(name for _, name in keyed)


def relations() -> list[TypedRelation]:
    """Return all tables and views of the warehouse, as an empty one on DuckDB shows them."""
    engine = create_engine("duckdb://")
    upgrade_warehouse(engine)
    described = [*describe_tables(), *describe_views(engine)]
    with engine.connect() as connection:
        found = [
            TypedRelation(
                name=each.name, kind=each.kind, meaning=each.meaning, columns=tuple(_columns(connection, each))
            )
            for each in described
        ]
    engine.dispose()
    return found


def _columns(connection: Connection, relation: Relation) -> Iterator[TypedColumn]:
    shown = connection.exec_driver_sql(f"DESCRIBE {relation.name}")
    types = {row[0]: row[1] for row in shown}
    table = METADATA.tables.get(relation.name)
    key = [column.name for column in table.primary_key] if table is not None else [KEYS_OF_VIEWS.get(relation.name)]
    for column in relation.columns:
        yield TypedColumn(
            name=column.name,
            meaning=column.meaning,
            type=TYPES[types[column.name]],
            key_position=key.index(column.name) + 1 if column.name in key else None,
            is_required=column.name in key or (table is not None and not table.columns[column.name].nullable),
            refers_to=_reference(column.meaning) if table is not None else None,
            values=VALUES.get((relation.name, column.name), ()),
        )


def _reference(meaning: str) -> tuple[str, str] | None:
    found = REFERENCE.search(meaning)
    if found is None:
        return None
    (key,) = METADATA.tables[found[1]].primary_key.columns.keys()
    return found[1], str(key)
