"""Makes the data dictionary: every table, view and column."""

from collections.abc import Iterable, Iterator

from sqlalchemy import Boolean, Column, Double, Integer, Table, create_engine, inspect

from docs.generate.markdown import table as markdown_table
from etl.database.types import UtcDateTime
from etl.rate.table import rate_table
from etl.source.tables import pending_table
from etl.warehouse.schema import upgrade_warehouse
from etl.warehouse.tables import METADATA
from etl.warehouse.views import read_view, view_files

HEAD = """\
# The data dictionary

`make reference` writes this page from the code. On PostgreSQL, MySQL, MariaDB and DuckDB, `task-audit init` also writes
these descriptions into the database as comments (`\\d+ fact_task_status` in psql, `SHOW FULL COLUMNS` in MySQL).

All times are UTC.
"""


def page() -> str:
    """Describe the warehouse and the pending table."""
    parts = [HEAD, "## Tables of the warehouse\n"]
    parts += [_table(table) for table in METADATA.tables.values()]
    parts += ["## Views of the warehouse\n", *_views()]
    pending = pending_table("pending_task")
    parts += ["## The pending table, and its table of rates\n", _table(pending), _table(rate_table(pending))]
    return "\n".join(parts)


def _table(table: Table) -> str:
    rows = ((f"`{column.name}`", _kind(column), str(column.comment)) for column in table.columns)
    return _section(table.name, str(table.comment), ("column", "kind", "meaning"), rows)


def _views() -> Iterator[str]:
    engine = create_engine("sqlite://")
    upgrade_warehouse(engine)
    for view in map(read_view, view_files("")):
        columns = [column["name"] for column in inspect(engine).get_columns(view.name)]
        rows = ((f"`{column}`", view.meaning_of(column)) for column in columns)
        yield _section(view.name, view.meaning, ("column", "meaning"), rows)
    engine.dispose()


def _section(name: str, meaning: str, head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    return f"### `{name}`\n\n{meaning}\n\n{markdown_table(head, rows)}"


def _kind(column: Column[object]) -> str:
    kinds = {UtcDateTime: "time", Boolean: "yes or no", Integer: "integer", Double: "number"}
    kind = next((name for type_, name in kinds.items() if isinstance(column.type, type_)), "text")
    if column.primary_key:
        return f"{kind}, key"
    return f"{kind} or null" if column.nullable else kind
