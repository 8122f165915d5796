"""Writes a result set as a table for a person, CSV for a program or a spreadsheet, or JSON for a program.

Every form writes a time as ISO-8601 in UTC.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from rich.console import Console

from etl.receivers import for_csv, for_spreadsheet, for_terminal
from etl.report.table import print_record, print_rows
from etl.warehouse.read.questions import Cell, ResultSet


def to_objects(result: ResultSet) -> list[dict[str, Cell]]:
    """Return the rows as objects of a JSON list."""
    return [dict(zip(result.columns, row, strict=True)) for row in result.rows]


def to_csv(result: ResultSet, *, for_excel: bool = False) -> str:
    """Write the rows as CSV with a header; a missing value is empty, and an empty text is ``""``.

    Args:
        result: the rows.
        for_excel: whether a spreadsheet opens the file. It then begins with a byte order mark, so that Excel reads it
            as UTF-8, and texts such as IDs stay texts, so that they keep all their digits.
    """
    import polars as pl  # noqa: PLC0415 - a table does not wait for it

    escape = for_spreadsheet if for_excel else for_csv
    cells = [tuple(_csv_cell(value, escape) for value in row) for row in result.rows]
    rows = pl.DataFrame(cells, schema=dict.fromkeys(result.columns, pl.String), orient="row")
    return rows.write_csv(include_bom=for_excel)


def print_table(result: ResultSet, *, console: Console) -> None:
    """Print the rows as a table, or as records if the terminal is too narrow."""
    print_rows(result.columns, result.rows, console=console, show=_table_cell)


def print_object(values: Mapping[str, Cell], *, console: Console) -> None:
    """Print one row, with each value beside the name of its column."""
    print_record(list(values), [_table_cell(value) for value in values.values()], console=console)


def _csv_cell(value: Cell, escape: Callable[[str], str]) -> str | None:
    match value:
        case None:
            return None
        case str():
            return escape(value)
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
