"""The answer to a question: a table for a person, CSV for a spreadsheet, JSON for a program.

In all of them a time is ISO-8601 in UTC.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import polars as pl
from rich.console import Console
from rich.table import Table
from rich.text import Text

from etl.csv_text import escape_formula
from etl.report.control_characters import escape_control

Rows = Sequence[tuple[Any, ...]]

WIDE = 10_000
"""Columns of a place that is no terminal: nothing needs to be folded there."""


def answer_json(columns: Sequence[str], rows: Rows) -> str:
    """Write the rows as a JSON list of objects."""
    objects = [dict(zip(columns, row, strict=True)) for row in rows]
    return msgspec.json.format(msgspec.json.encode(objects), indent=2).decode()


def answer_csv(columns: Sequence[str], rows: Rows) -> str:
    """Write the rows as CSV with a header; what has no value is empty, and an empty text is ``""``."""
    cells = [tuple(_cell(value) for value in row) for row in rows]
    return pl.DataFrame(cells, schema=dict.fromkeys(columns, pl.String), orient="row").write_csv()


def print_answer(columns: Sequence[str], rows: Rows, *, console: Console) -> None:
    """Print the rows as a table; a terminal folds long cells, and nothing is left out."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for index, name in enumerate(columns):
        is_number = all(isinstance(row[index], int | float | None) for row in rows)
        table.add_column(name, justify="right" if is_number else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(_shown(value)) for value in row))
    if not console.is_terminal:
        console.width = WIDE
    console.print(table)


def _cell(value: Any) -> str | None:
    match value:
        case None:
            return None
        case str():
            return escape_formula(value)
        case bool():
            return "true" if value else "false"
        case datetime():
            return _iso(value)
        case _:
            return str(value)


def _shown(value: Any) -> str:
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
            shown = escape_control(value)
        case _:
            shown = "-" if value is None else str(value)
    return shown


def _iso(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")
