"""Reads task IDs to enqueue: CSV, NDJSON, Parquet, or one ID a line, from a file or standard input.

The first bytes of a file decide its form, not its name. Every form is read as a stream, and an error names its line.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from itertools import chain
from shutil import copyfileobj
from tempfile import TemporaryFile
from typing import IO, Any, BinaryIO

import msgspec
import polars as pl

from etl.error_codes import Code
from etl.errors import InputError
from etl.source.tables import FIRST_YEAR, LAST_YEAR
from etl.tasks import MAX_ID_LENGTH, is_storable_id
from etl.times import read_instant

PARQUET_MAGIC = b"PAR1"
PARQUET_ROWS = 50_000
ID_FIELD = "task_id"
TIME_FIELD = "submitted_at"
NOTHING_ADDED = "Nothing was added; fix the file and give it again."

MORE_THAN_AN_ID = re.compile(r"""[\s,;|"'\[\]{}]""")
"""The characters that occur in a line of a table or of JSON, and in no ID."""

PendingRow = tuple[str, datetime | None]
"""A task ID and the time of its submission, if that is known."""

RawRow = tuple[int, Any, Any]
"""The number of a line or row, and its two fields as they are."""


def read_pending(stream: BinaryIO, *, name: str) -> Iterator[PendingRow]:
    """Yield the pending tasks of a file.

    Args:
        stream: the file, open for reading bytes.
        name: the name of the file in errors.

    Raises:
        InputError: the file is not in a known form, or a row has no usable ID or time.
    """
    buffered = stream if isinstance(stream, io.BufferedReader) else io.BufferedReader(stream)  # type: ignore[type-var]  # it calls only methods that a binary stream has
    if buffered.peek(len(PARQUET_MAGIC)).startswith(PARQUET_MAGIC):
        yield from _checked(_parquet_rows(buffered, name), name=name, unit="row")
    else:
        yield from _checked(_text_rows(buffered, name), name=name, unit="line")


def check_ids(task_ids: Iterable[str]) -> Iterator[PendingRow]:
    """Check task IDs given as arguments."""
    yield from _checked(
        ((number, task_id, None) for number, task_id in enumerate(task_ids, 1)), name="", unit="argument"
    )


def _checked(rows: Iterable[RawRow], *, name: str, unit: str) -> Iterator[PendingRow]:
    for number, task_id, submitted_at in rows:
        place = f"{name}, {unit} {number}" if name else f"Argument {number}"
        yield _check_id(task_id, place), _check_time(submitted_at, place)


def _check_id(value: object, place: str) -> str:
    task_id = str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""
    if not is_storable_id(task_id):
        raise InputError(
            f"{place}: {str(value)[:40]!r} is not a task ID.",
            code=Code.VALUE_WRONG,
            remedy=f"Give each row a {ID_FIELD} of at most {MAX_ID_LENGTH} characters; nothing was added.",
        )
    return task_id


def _check_time(value: object, place: str) -> datetime | None:
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    try:
        return _instant(value)
    except (TypeError, ValueError, OverflowError):
        raise InputError(
            f"{place}: {str(value)[:40]!r} is not a time.",
            code=Code.VALUE_WRONG,
            remedy=f"Write {TIME_FIELD} as 2026-11-01 or 2026-11-01T06:00:00Z, or leave it empty; nothing was added.",
        ) from None


def _instant(value: object) -> datetime:
    match value:
        case datetime():
            instant = value
        case date():
            instant = datetime(value.year, value.month, value.day)  # noqa: DTZ001 - made aware below
        case str():
            instant = read_instant(value)
        case _:
            raise TypeError
    if not FIRST_YEAR <= instant.year <= LAST_YEAR:
        raise ValueError
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)


def _parquet_rows(stream: BinaryIO, name: str) -> Iterator[RawRow]:
    with TemporaryFile() as spool:
        # A reader of Parquet begins at the end, which it cannot in a pipe.
        copyfileobj(stream, spool)
        spool.seek(0)
        try:
            yield from _enumerate_rows(spool, name)
        except pl.exceptions.PolarsError as error:
            raise _unreadable(name, str(error).splitlines()[0]) from None
        except pl.exceptions.PanicException:
            # The reader of Parquet ends so on some damage. It is no Exception, so no other handler would catch it.
            raise _unreadable(name, "It is damaged") from None


def _unreadable(name: str, reason: str) -> InputError:
    return InputError(f"{name} cannot be read as Parquet: {reason}.", code=Code.FILE_MALFORMED, remedy=NOTHING_ADDED)


def _enumerate_rows(spool: IO[bytes], name: str) -> Iterator[RawRow]:
    frame = pl.scan_parquet(spool)
    columns = [each for each in (ID_FIELD, TIME_FIELD) if each in frame.collect_schema()]
    _require_id_field(columns, name, remedy="Name the column of task IDs so.")
    batches = frame.select(columns).collect_batches(chunk_size=PARQUET_ROWS, maintain_order=True)
    rows = chain.from_iterable(batch.iter_rows(named=True) for batch in batches)
    for number, row in enumerate(rows, 1):
        yield number, row[ID_FIELD], row.get(TIME_FIELD)


def _text_rows(stream: BinaryIO, name: str) -> Iterator[RawRow]:
    lines = _decoded(stream, name)
    first_number, first = next(((number, line) for number, line in lines if line.strip()), (0, ""))
    numbered = chain([(first_number, first)], lines)
    if first.lstrip().startswith("{"):
        yield from _ndjson_rows(numbered, name)
    elif ID_FIELD in first:
        yield from _csv_rows((line for _, line in numbered), name, first_number=first_number)
    elif MORE_THAN_AN_ID.search(first.strip()):
        raise InputError(
            f"{name}, line {first_number}: {first.strip()[:40]!r} is more than a task ID, and no header.",
            code=Code.FILE_MALFORMED,
            remedy=f"A CSV file begins with a header that names {ID_FIELD}; nothing was added.",
        )
    else:
        yield from ((number, line, None) for number, line in numbered if line.strip())


def _decoded(stream: BinaryIO, name: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(stream, 1):
        try:
            # A byte order mark may precede the first line.
            yield number, line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError:
            raise InputError(
                f"{name}, line {number}, is not UTF-8.", code=Code.FILE_MALFORMED, remedy="Save the file as UTF-8."
            ) from None


def _csv_rows(lines: Iterator[str], name: str, *, first_number: int) -> Iterator[RawRow]:
    reader = csv.reader(lines, strict=True)
    try:
        header = [field.strip() for field in next(reader)]
        _require_id_field(header, f"{name}, line {first_number},", remedy="Separate the columns by commas.")
        for fields in reader:
            number = first_number + reader.line_num - 1
            if any(fields[len(header) :]):
                raise InputError(
                    f"{name}, line {number}, has more fields than the header.",
                    code=Code.FILE_MALFORMED,
                    remedy=NOTHING_ADDED,
                )
            if any(field.strip() for field in fields):
                row = dict(zip(header, fields, strict=False))
                yield number, row.get(ID_FIELD), row.get(TIME_FIELD)
    except csv.Error as error:
        number = first_number + reader.line_num - 1
        raise InputError(
            f"{name}, line {number}, is not CSV: {error}.", code=Code.FILE_MALFORMED, remedy=NOTHING_ADDED
        ) from None


def _ndjson_rows(lines: Iterator[tuple[int, str]], name: str) -> Iterator[RawRow]:
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
        yield number, row.get(ID_FIELD), row.get(TIME_FIELD)


def _require_id_field(columns: list[str], place: str, *, remedy: str) -> None:
    if ID_FIELD not in columns:
        raise InputError(f"{place} has no column {ID_FIELD}.", code=Code.FILE_MALFORMED, remedy=remedy)
