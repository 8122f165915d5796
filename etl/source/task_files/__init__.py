"""Reads task IDs to enqueue: CSV, NDJSON, Parquet, an Excel workbook, or one ID a line, from a file or standard input.

The first bytes of a file decide its form, not its name. Text and Parquet are read as streams. An error names the line
or the row. A person is still looking, so what is no task ID is refused here.
"""

import io
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import BinaryIO

from etl.source.task_files.form import Form, form_of
from etl.source.task_files.text import text_rows
from etl.source.task_files.values import RawRow, RoundedIds, check_id, check_time
from etl.source.task_files.workbook import workbook_rows

PendingRow = tuple[str, datetime | None]
"""A task ID and the time of its submission, if that is known."""


def read_pending(
    stream: BinaryIO, *, name: str, column: str | None = None, allow_rounded: bool = False
) -> Iterator[PendingRow]:
    """Yield the pending tasks of a file.

    Args:
        stream: the file, open for reading bytes.
        name: the name of the file in errors.
        column: the name of the column of task IDs; None stands for ``task_id`` in any case.
        allow_rounded: whether many long IDs may end in zeros, as a spreadsheet's rounding makes them.

    Raises:
        InputError: the file is not in a known form, or a row has no usable ID or time.
        ConfigurationError: the file is a workbook, and the extra `excel` is not installed.
    """
    buffered = stream if isinstance(stream, io.BufferedReader) else io.BufferedReader(stream)  # type: ignore[type-var]  # it calls only methods that a binary stream has
    form = form_of(buffered.peek(), name)
    read = _reader_of(form)
    unit = "line" if form is Form.TEXT else "row"
    yield from _checked(
        read(buffered, name, column), name=name, unit=unit, rounded=None if allow_rounded else RoundedIds(name)
    )


def _reader_of(form: Form) -> Callable[[BinaryIO, str, str | None], Iterator[RawRow]]:
    match form:
        case Form.TEXT:
            return text_rows
        case Form.WORKBOOK:
            return workbook_rows
        case Form.PARQUET:
            from etl.source.task_files.parquet import parquet_rows  # noqa: PLC0415 - polars costs start-up time

            return parquet_rows


def check_ids(task_ids: Iterable[str]) -> Iterator[PendingRow]:
    """Check task IDs given as arguments.

    Raises:
        InputError: an argument is no task ID.
    """
    rows = ((number, task_id, None) for number, task_id in enumerate(task_ids, 1))
    yield from _checked(rows, name="", unit="argument", rounded=None)


def _checked(rows: Iterable[RawRow], *, name: str, unit: str, rounded: RoundedIds | None) -> Iterator[PendingRow]:
    for number, written, submitted_at in rows:
        place = f"{name}, {unit} {number}" if name else f"Argument {number}"
        task_id = check_id(written, place)
        if rounded:
            rounded.count(task_id)
        yield task_id, check_time(submitted_at, place)
    if rounded:
        rounded.require_few()
