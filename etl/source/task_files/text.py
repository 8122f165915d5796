"""Reads lines of text: CSV with a header, NDJSON, or one ID a line."""

import csv
import re
from collections.abc import Iterator
from itertools import chain
from typing import BinaryIO

import msgspec

from etl.error_codes import Code
from etl.errors import InputError
from etl.source.task_files.columns import ID_FIELD, NOTHING_ADDED, Columns, find_columns, require_columns
from etl.source.task_files.form import foreign
from etl.source.task_files.values import RawRow, check_id, trace_of
from etl.tasks import is_valid_task_id

DELIMITERS = ",;\t|"

MORE_THAN_AN_ID = re.compile(r"""[,;|\t"\[\]{}]""")
"""The characters that occur in a line of a table or of JSON, and in no ID."""

CONVERT_ENDS = "Convert it: `tr '\\r' '\\n' < FILE | task-audit enqueue --file -`."
LONE_CARRIAGE_RETURN = re.compile(r"\r(?!\n|$)")


def text_rows(stream: BinaryIO, name: str, column: str | None) -> Iterator[RawRow]:
    """Yield the rows of a text, in the form that its first line shows.

    Args:
        stream: the text in UTF-8.
        name: its name in errors.
        column: the name of the column of task IDs; None stands for ``task_id``.

    Raises:
        InputError: a line is not in the form of the first.
    """
    lines = _decoded(stream, name)
    first_number, first = next(((number, line) for number, line in lines if line.strip()), (0, ""))
    if LONE_CARRIAGE_RETURN.search(first) and '"' not in first:
        raise foreign(name, "text whose lines end in CR alone", CONVERT_ENDS)
    if not first:
        return
    numbered = chain([(first_number, first)], lines)
    place = f"{name}, line {first_number}"
    if first.lstrip().startswith("{"):
        yield from _ndjson_rows(numbered, name, column)
    elif delimiter := _delimiter(first, column, place):
        only_lines = (line for _, line in numbered)
        yield from _csv_rows(only_lines, name, column, delimiter=delimiter, first_number=first_number)
    else:
        _require_plain(first.strip(), place)
        yield from ((number, line, None) for number, line in numbered if line.strip())


def _decoded(stream: BinaryIO, name: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(stream, 1):
        try:
            # A byte order mark may precede the first line.
            yield number, line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError:
            raise InputError(
                f"{name}, line {number}, is not UTF-8.",
                code=Code.FILE_MALFORMED,
                remedy="Save the file as UTF-8, such as Excel's 'CSV UTF-8'; nothing was added.",
            ) from None


def _delimiter(first: str, column: str | None, place: str) -> str | None:
    """Return what separates the columns of a header; None if the line is no header."""
    headers = {delimiter: _fields(first, delimiter) for delimiter in DELIMITERS}
    for delimiter, header in headers.items():
        if find_columns(header, column, place=place) is not None:
            return delimiter
    if column is not None:
        require_columns(max(headers.values(), key=len), column, place=f"{place},")
    return None


def _fields(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter, strict=True), [])
    except csv.Error:
        return []


def _require_plain(first: str, place: str) -> None:
    """Refuse the first line of a table without a column of IDs, or a header alone."""
    if MORE_THAN_AN_ID.search(first) and not trace_of(first):
        raise InputError(
            f"{place}: {first[:40]!r} is more than a task ID, and no header.",
            code=Code.FILE_MALFORMED,
            remedy=f"A CSV file begins with a header that names {ID_FIELD}, or give --column NAME; nothing was added.",
        )
    if not is_valid_task_id(first) and first.replace(" ", "").isidentifier():
        raise InputError(
            f"{place}: {first[:40]!r} is not a task ID.",
            code=Code.VALUE_WRONG,
            remedy=f"If it is a header, name it {ID_FIELD}, or give --column {first[:40]!r}; nothing was added.",
        )
    check_id(first, place)


def _csv_rows(
    lines: Iterator[str], name: str, column: str | None, *, delimiter: str, first_number: int
) -> Iterator[RawRow]:
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    try:
        header = next(reader)
        columns = require_columns(header, column, place=f"{name}, line {first_number},")
        for fields in reader:
            number = first_number + reader.line_num - 1
            if any(fields[len(header) :]):
                raise InputError(
                    f"{name}, line {number}, has more fields than the header.",
                    code=Code.FILE_MALFORMED,
                    remedy=NOTHING_ADDED,
                )
            if any(field.strip() for field in fields):
                yield number, _field(fields, columns.task_id), _field(fields, columns.submitted_at)
    except csv.Error as error:
        number = first_number + reader.line_num - 1
        raise InputError(
            f"{name}, line {number}, is not CSV: {error}.", code=Code.FILE_MALFORMED, remedy=NOTHING_ADDED
        ) from None


def _field(fields: list[str], index: int | None) -> str | None:
    return fields[index] if index is not None and index < len(fields) else None


def _ndjson_rows(lines: Iterator[tuple[int, str]], name: str, column: str | None) -> Iterator[RawRow]:
    known: dict[tuple[str, ...], Columns] = {}
    for number, line in lines:
        if not line.strip():
            continue
        try:
            row = msgspec.json.decode(line)
        except msgspec.DecodeError as error:
            raise InputError(
                f"{name}, line {number}, is not JSON: {error}.", code=Code.FILE_MALFORMED, remedy=NOTHING_ADDED
            ) from None
        if not isinstance(row, dict):
            raise InputError(
                f"{name}, line {number}, is not a JSON object.", code=Code.FILE_MALFORMED, remedy=NOTHING_ADDED
            )
        names = tuple(row)
        columns = known.get(names)
        if columns is None:
            columns = require_columns(names, column, place=f"{name}, line {number},")
            # Programs write the same names in every line.
            known = {names: columns}
        values = list(row.values())
        yield number, values[columns.task_id], None if columns.submitted_at is None else values[columns.submitted_at]
