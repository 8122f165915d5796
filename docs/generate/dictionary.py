"""Makes the data dictionary: every table, view and column."""

import json
from collections.abc import Iterable, Iterator
from types import NoneType

from sqlalchemy import Table, create_engine

from docs.generate.markdown import table as markdown_table
from etl.rate.table import rate_table
from etl.source.tables import pending_table
from etl.tasks.detail import API_FIELDS
from etl.warehouse.dictionary import Relation, describe_table, describe_views
from etl.warehouse.schema import upgrade_warehouse
from etl.warehouse.tables import METADATA

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
    relation = describe_table(table)
    rows = ((f"`{column.name}`", str(column.kind), column.meaning) for column in relation.columns)
    return _section(relation, ("column", "kind", "meaning"), rows)


def _views() -> Iterator[str]:
    engine = create_engine("sqlite://")
    upgrade_warehouse(engine)
    for view in describe_views(engine):
        rows = ((f"`{column.name}`", column.meaning) for column in view.columns)
        yield _section(view, ("column", "meaning"), rows)
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


def _section(relation: Relation, head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    return f"### `{relation.name}`\n\n{relation.meaning}\n\n{markdown_table(head, rows)}"
