"""Writes a result set as a table for a person, CSV for a spreadsheet, or JSON for a program.

Every form writes a time as ISO-8601 in UTC.
"""

from collections.abc import Mapping
from datetime import UTC, datetime

import polars as pl
from rich.console import Console

from etl.receivers import for_csv, for_terminal
from etl.report.table import print_record, print_rows
from etl.warehouse.read.questions import Cell, ResultSet


def to_objects(result: ResultSet) -> list[dict[str, Cell]]:
    """Return the rows as objects of a JSON list."""
    return [dict(zip(result.columns, row, strict=True)) for row in result.rows]


def to_csv(result: ResultSet) -> str:
    """Write the rows as CSV with a header; a missing value is empty, and an empty text is ``""``."""
    cells = [tuple(_csv_cell(value) for value in row) for row in result.rows]
    return pl.DataFrame(cells, schema=dict.fromkeys(result.columns, pl.String), orient="row").write_csv()


def print_table(result: ResultSet, *, console: Console) -> None:
    """Print the rows as a table, or as records if the terminal is too narrow."""
    print_rows(result.columns, result.rows, console=console, show=_table_cell)


def print_object(values: Mapping[str, Cell], *, console: Console) -> None:
    """Print one row, with each value beside the name of its column."""
    print_record(list(values), [_table_cell(value) for value in values.values()], console=console)


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


def _table_cell(value: object) -> str:
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
