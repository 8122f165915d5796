"""Reads and writes the CSV file in which users explain result codes, task types and tenants. The module is pure.

It checks a whole file before it returns a label, and an error names the line and column.
"""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass, fields
from typing import BinaryIO

from etl.error_codes import Code
from etl.errors import InputError
from etl.receivers import for_csv, for_spreadsheet, from_csv
from etl.warehouse.limits import MAX_KEY_CHARACTERS, MAX_WORDS_CHARACTERS

RESULT_CODE, TASK_TYPE, TENANT = "result_code", "task_type", "tenant"
DIMENSIONS = (RESULT_CODE, TASK_TYPE, TENANT)

DEPRECATED = {"label": "title", "remedy": "action"}
"""Former names of columns, which the next release will not accept."""

NOTHING_IMPORTED = "Nothing was imported. Fix the file and import it again."

MAX_TYPE = 2**63 - 1
"""The largest task type: the warehouse keeps it in 64 bits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """One row of the file and of a dimension. An empty text means that no label exists."""

    dimension: str
    code: str
    title: str
    category: str
    action: str


COLUMNS = [field.name for field in fields(Label)]


def write_labels(labels: Iterable[Label], *, for_excel: bool = False) -> str:
    """Write a file whose cells no spreadsheet runs.

    Args:
        labels: the rows.
        for_excel: whether the file begins with a byte order mark, and codes stay texts in a spreadsheet.
    """
    import polars as pl  # noqa: PLC0415 - `status`, which counts labels, does not wait for it

    escape = for_spreadsheet if for_excel else for_csv
    rows = [tuple(escape(cell) or None for cell in astuple(label)) for label in labels]
    table = pl.DataFrame(rows, schema=dict.fromkeys(COLUMNS, pl.String), orient="row")
    return table.write_csv(include_bom=for_excel)


def read_labels(file: BinaryIO, name: str) -> list[Label]:
    """Read and check a whole file.

    Args:
        file: CSV in UTF-8 with a header.
        name: the file's name in errors.

    Raises:
        InputError: the file has an error.
    """
    labels: dict[tuple[str, str], Label] = {}
    lines: dict[tuple[str, str], int] = {}
    for number, row in _rows(file, name):
        label = _checked(row, f"{name}, line {number}")
        key = (label.dimension, label.code)
        if key in labels:
            raise _wrong(f"{name}, line {number}", "code", f"{label.code!r} is on line {lines[key]} already")
        labels[key], lines[key] = label, number
    return list(labels.values())


def _rows(file: BinaryIO, name: str) -> Iterator[tuple[int, dict[str, str]]]:
    reader = csv.reader(_decoded(file, name), strict=True)
    header: list[str] | None = None
    end = 0
    try:
        for cells in reader:
            # A quoted cell may hold line breaks.
            start, end = end + 1, reader.line_num
            if not any(cell.strip() for cell in cells):
                continue
            if header is None:
                header = _header(cells, f"{name}, line {start}")
            elif len(cells) != len(header):
                raise InputError(
                    f"{name}, line {start}, has {len(cells)} columns instead of {len(header)}.",
                    code=Code.FILE_MALFORMED,
                    remedy=NOTHING_IMPORTED,
                )
            else:
                yield start, dict(zip(header, map(from_csv, cells), strict=True))
    except csv.Error as error:
        raise InputError(
            f"{name}, line {reader.line_num}, is not CSV: {error}.", code=Code.FILE_MALFORMED, remedy=NOTHING_IMPORTED
        ) from None
    if header is None:
        raise InputError(
            f"{name} is empty.", code=Code.FILE_MALFORMED, remedy="`task-audit labels export` writes a file to fill in."
        )


def _decoded(file: BinaryIO, name: str) -> Iterator[str]:
    for number, line in enumerate(file, 1):
        try:
            # The first line may start with a byte order mark.
            yield line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError:
            raise InputError(
                f"{name}, line {number}, is not UTF-8.", code=Code.FILE_MALFORMED, remedy="Save the file as UTF-8."
            ) from None


def _header(cells: list[str], place: str) -> list[str]:
    written = [cell.strip() for cell in cells]
    header = [DEPRECATED.get(cell, cell) for cell in written]
    for column in COLUMNS:
        if header.count(column) != 1:
            number = "no" if column not in header else "more than one"
            raise InputError(
                f"{place}: there is {number} column {column}.",
                code=Code.FILE_MALFORMED,
                remedy="Separate the columns by commas.",
            )
    for column in written:
        if DEPRECATED.get(column, column) not in COLUMNS:
            raise InputError(
                f"{place}: the column {column!r} is unknown.",
                code=Code.FILE_MALFORMED,
                remedy=f"The columns are {', '.join(COLUMNS)}.",
            )
    return header


def _checked(row: dict[str, str], place: str) -> Label:
    for column, cell in row.items():
        most = MAX_KEY_CHARACTERS if column == "code" else MAX_WORDS_CHARACTERS
        if len(cell) > most:
            raise _wrong(place, column, f"{len(cell):,} characters are more than {most:,}")
        if "\0" in cell:
            raise _wrong(place, column, "it holds a NUL character")
    label = Label(**(row | {"dimension": row["dimension"].strip()}))
    if label.dimension not in DIMENSIONS:
        raise _wrong(place, "dimension", f"{label.dimension!r} is none of {', '.join(DIMENSIONS)}")
    if not label.code:
        raise _wrong(place, "code", "it is empty")
    if label.dimension == TASK_TYPE and not _is_number(label.code):
        raise _wrong(place, "code", f"{label.code[:40]!r} is not the number of a task type")
    if not label.title and (label.category or label.action):
        raise _wrong(place, "title", "it is empty, but the row has a category or an action")
    return label


def _is_number(code: str) -> bool:
    digits = code.removeprefix("-")
    # Only the canonical form is valid, since 7 and 07 would be two rows for one type.
    return digits.isdecimal() and digits.isascii() and str(int(code)) == code and abs(int(code)) <= MAX_TYPE


def _wrong(place: str, column: str, what: str) -> InputError:
    return InputError(f"{place}, column {column}: {what}.", code=Code.VALUE_WRONG, remedy=NOTHING_IMPORTED)
