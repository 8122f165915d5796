"""Makes the data dictionary: every table, view and column."""

import json
from collections.abc import Iterable, Iterator
from types import NoneType

from sqlalchemy import Boolean, Column, Date, Double, Integer, Table, create_engine, inspect

from docs.generate.markdown import table as markdown_table
from etl.database.types import UtcDateTime
from etl.rate.table import rate_table
from etl.source.tables import pending_table
from etl.tasks.detail import API_FIELDS
from etl.warehouse.schema import upgrade_warehouse
from etl.warehouse.tables import METADATA
from etl.warehouse.views import meaning_of, read_views

HEAD = """\
# The data dictionary

`make reference` writes this page from the code. On PostgreSQL, MySQL, MariaDB and DuckDB, `task-audit init` also writes
these descriptions into the database as comments (`\\d+ fact_task_status` in psql, `SHOW FULL COLUMNS` in MySQL).

All times are UTC.
"""

JSON_NAMES: dict[type, str] = {str: "string", int: "number", NoneType: "null or absent"}


def page() -> str:
    """Describe the warehouse and the pending table."""
    parts = [HEAD, "## Tables of the warehouse\n"]
    parts += [_table(table) for table in METADATA.tables.values()]
    parts += ["## Views of the warehouse\n", *_views()]
    parts += ["## The fields of KooDrive's response\n", _api_fields()]
    pending = pending_table("pending_task")
    parts += ["## The pending table, and its table of rates\n", _table(pending), _table(rate_table(pending))]
    return "\n".join(parts)


def _table(table: Table) -> str:
    rows = ((f"`{column.name}`", _kind(column), str(column.comment)) for column in table.columns)
    return _section(table.name, str(table.comment), ("column", "kind", "meaning"), rows)


def _views() -> Iterator[str]:
    engine = create_engine("sqlite://")
    upgrade_warehouse(engine)
    for view in read_views("common"):
        columns = [column["name"] for column in inspect(engine).get_columns(view.name)]
        rows = ((f"`{column}`", meaning_of(view, column)) for column in columns)
        yield _section(view.name, view.sentence, ("column", "meaning"), rows)
    engine.dispose()


def _api_fields() -> str:
    rows = (
        (
            f"`{field.api_name}`",
            " or ".join(JSON_NAMES[each] for each in field.json_types),
            f"`{field.name}`",
            f"`{json.dumps(field.example)}`",
            "yes" if field.is_content else "no",
        )
        for field in API_FIELDS
    )
    return markdown_table(("field", "JSON type", "column of a fact", "example", "a change makes a new version"), rows)


def _section(name: str, meaning: str, head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    return f"### `{name}`\n\n{meaning}\n\n{markdown_table(head, rows)}"


def _kind(column: Column[object]) -> str:
    kinds = {UtcDateTime: "time", Date: "date", Boolean: "yes or no", Integer: "integer", Double: "number"}
    kind = next((name for type_, name in kinds.items() if isinstance(column.type, type_)), "text")
    if column.primary_key:
        return f"{kind}, key"
    return f"{kind} or null" if column.nullable else kind
