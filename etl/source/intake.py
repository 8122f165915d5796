"""Reads task IDs to enqueue: CSV, NDJSON, Parquet, or one ID a line, from a file or standard input.

What a file is follows from its first bytes, not from its name. Everything is read as a stream, and an error names the
line it is on.
"""

import csv
import io
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from tempfile import TemporaryFile
from typing import Any, BinaryIO

import msgspec
import polars as pl

from etl.errors import InputError

MAX_ID_LENGTH = 255
PARQUET_MAGIC = b"PAR1"
PARQUET_ROWS = 50_000
ID_FIELD = "task_id"
TIME_FIELD = "submitted_at"

PendingRow = tuple[str, datetime | None]
"""A task ID and when it was submitted, if that is known."""


def read_pending(stream: BinaryIO, *, name: str) -> Iterator[PendingRow]:
    """Yield the pending tasks of a file.

    Args:
        stream: the file, open for reading bytes.
        name: how to call it in errors.

    Raises:
        InputError: the file is not in a known form, or a row has no usable ID or time.
    """
    buffered = io.BufferedReader(stream) if isinstance(stream, io.RawIOBase) else stream
    head: bytes = buffered.peek(len(PARQUET_MAGIC) + 3)  # type: ignore[attr-defined]  # every binary stream here has it
    if head.startswith(PARQUET_MAGIC):
        yield from _checked(_parquet_rows(buffered), name=name, unit="row")
        return
    yield from _checked(_text_rows(buffered, name), name=name, unit="line")


def check_ids(task_ids: Iterable[str]) -> Iterator[PendingRow]:
    """Check task IDs given as arguments."""
    yield from _checked(
        ((number, task_id, None) for number, task_id in enumerate(task_ids, 1)), name="", unit="argument"
    )


def _checked(rows: Iterable[tuple[int, Any, Any]], *, name: str, unit: str) -> Iterator[PendingRow]:
    for number, task_id, submitted_at in rows:
        place = f"{name}, {unit} {number}" if name else f"Argument {number}"
        yield _check_id(task_id, place), _check_time(submitted_at, place)


def _check_id(value: object, place: str) -> str:
    # Text that is no ID at all becomes a dead letter of the run; only what no database can hold is refused here.
    task_id = str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""
    if not task_id or len(task_id) > MAX_ID_LENGTH or "\0" in task_id:
        raise InputError(
            f"{place}: {str(value)[:40]!r} is not a task ID.",
            remedy=f"Give each row a {ID_FIELD} of at most {MAX_ID_LENGTH} characters; nothing was added.",
        )
    return task_id


def _check_time(value: object, place: str) -> datetime | None:
    match value:
        case None | "":
            return None
        case datetime():
            instant = value
        case date():
            instant = datetime(value.year, value.month, value.day)  # noqa: DTZ001 - made aware below
        case str():
            instant = _parse_time(value, place)
        case _:
            raise _not_a_time(value, place)
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)


def _parse_time(value: str, place: str) -> datetime:
    try:
        return datetime.fromisoformat(value.strip())
    except ValueError:
        raise _not_a_time(value, place) from None


def _not_a_time(value: object, place: str) -> InputError:
    return InputError(
        f"{place}: {str(value)[:40]!r} is not a time.",
        remedy=f"Write {TIME_FIELD} as 2026-11-01T00:00:00Z, or leave it empty; nothing was added.",
    )


def _parquet_rows(stream: BinaryIO) -> Iterator[tuple[int, Any, Any]]:
    with TemporaryFile() as spool:
        # Parquet is read from its end, which a pipe does not offer.
        while chunk := stream.read(1 << 20):
            spool.write(chunk)
        spool.seek(0)
        number = 0
        frame = pl.scan_parquet(spool)
        columns = [each for each in (ID_FIELD, TIME_FIELD) if each in frame.collect_schema()]
        _require_id_field(columns, "The Parquet file")
        for batch in frame.select(columns).collect_batches(chunk_size=PARQUET_ROWS, maintain_order=True):
            for row in batch.iter_rows(named=True):
                number += 1
                yield number, row[ID_FIELD], row.get(TIME_FIELD)


def _text_rows(stream: BinaryIO, name: str) -> Iterator[tuple[int, Any, Any]]:
    lines = _decoded(stream, name)
    first = next(((number, line) for number, line in lines if line.strip()), None)
    if first is None:
        return
    rest = _chain(first, lines)
    if first[1].lstrip().startswith("{"):
        yield from _ndjson_rows(rest, name)
    elif first[1].strip().isascii() and ID_FIELD in _csv_header(first[1]):
        yield from _csv_rows(rest)
    else:
        yield from ((number, line, None) for number, line in rest if line.strip())


def _decoded(stream: BinaryIO, name: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(stream, 1):
        try:
            # A byte order mark may stand in front of the first line.
            yield number, line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError:
            raise InputError(f"{name}, line {number}, is not UTF-8.", remedy="Save the file as UTF-8.") from None


def _chain(first: tuple[int, str], rest: Iterator[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    yield first
    yield from rest


def _csv_header(line: str) -> list[str]:
    return [field.strip() for field in next(csv.reader([line]))]


def _csv_rows(lines: Iterator[tuple[int, str]]) -> Iterator[tuple[int, Any, Any]]:
    header_number, header_line = next(lines)
    header = _csv_header(header_line)
    reader = csv.reader(line for _, line in lines)
    for fields in reader:
        if fields:
            row = dict(zip(header, fields, strict=False))
            yield header_number + reader.line_num, row.get(ID_FIELD), row.get(TIME_FIELD)


def _ndjson_rows(lines: Iterator[tuple[int, str]], name: str) -> Iterator[tuple[int, Any, Any]]:
    for number, line in lines:
        if not line.strip():
            continue
        try:
            row = msgspec.json.decode(line)
        except msgspec.DecodeError as error:
            raise InputError(f"{name}, line {number}, is not JSON: {error}.", remedy="Nothing was added.") from None
        if not isinstance(row, dict):
            raise InputError(f"{name}, line {number}, is not a JSON object.", remedy="Nothing was added.")
        yield number, row.get(ID_FIELD), row.get(TIME_FIELD)


def _require_id_field(columns: list[str], name: str) -> None:
    if ID_FIELD not in columns:
        raise InputError(f"{name} has no column {ID_FIELD}.", remedy="Name the column of task IDs so.")
