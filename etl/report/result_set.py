"""Writes a result set as a table for a person, CSV for a spreadsheet, or JSON for a program.

Every form writes a time as ISO-8601 in UTC.
"""

from datetime import UTC, datetime

import polars as pl
from rich.console import Console
from rich.table import Table
from rich.text import Text

from etl.receivers import for_csv, for_terminal
from etl.warehouse.read.questions import Cell, ResultSet

UNFOLDED_WIDTH = 10_000
"""Columns of an output that is not a terminal, where folded lines would only hinder a program."""


def to_objects(result: ResultSet) -> list[dict[str, Cell]]:
    """Return the rows as objects of a JSON list."""
    return [dict(zip(result.columns, row, strict=True)) for row in result.rows]


def to_csv(result: ResultSet) -> str:
    """Write the rows as CSV with a header; a missing value is empty, and an empty text is ``""``."""
    cells = [tuple(_csv_cell(value) for value in row) for row in result.rows]
    return pl.DataFrame(cells, schema=dict.fromkeys(result.columns, pl.String), orient="row").write_csv()


def print_table(result: ResultSet, *, console: Console) -> None:
    """Print the rows as a table with every character; a terminal folds long cells."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for index, name in enumerate(result.columns):
        is_number = all(isinstance(row[index], int | float | None) for row in result.rows)
        table.add_column(name, justify="right" if is_number else "left", overflow="fold")
    for row in result.rows:
        table.add_row(*(Text(_table_cell(value)) for value in row))
    if not console.is_terminal:
        console.width = UNFOLDED_WIDTH
    console.print(table)


def _csv_cell(value: Cell) -> str | None:
    match value:
        case None:
            return None
        case str():
            return for_csv(value)
        case bool():
            return "true" if value else "false"
        case datetime():
            return _iso(value)
        case _:
            return str(value)


def _table_cell(value: Cell) -> str:
    match value:
        case bool():
            shown = "yes" if value else "no"
        case float():
            shown = f"{value:,.2f}"
        case int():
            shown = f"{value:,}"
        case datetime():
            shown = _iso(value.replace(microsecond=0))
        case str():
            shown = for_terminal(value)
        case _:
            shown = "-" if value is None else str(value)
    return shown


def _iso(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")
