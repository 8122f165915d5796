"""Reads Parquet. Times stay numbers until their range is known: Python holds fewer of them than Parquet does."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import chain
from shutil import copyfileobj
from tempfile import TemporaryFile
from typing import IO, Any, BinaryIO

import polars as pl

from etl.error_codes import Code
from etl.errors import InputError
from etl.source.task_files.columns import NOTHING_ADDED, require_columns
from etl.source.task_files.values import AS_TEXT, RawRow

ROWS = 50_000
"""The rows that are in memory at a time."""

MICROSECONDS = {"ms": (1000, 1), "us": (1, 1), "ns": (1, 1000)}
"""The factor and the divisor that make microseconds of a unit."""
DAY = (86_400_000_000, 1)


def parquet_rows(stream: BinaryIO, name: str, column: str | None) -> Iterator[RawRow]:
    """Yield the rows of a Parquet file.

    Args:
        stream: the file.
        name: its name in errors.
        column: the name of the column of task IDs; None stands for ``task_id``.

    Raises:
        InputError: the file is damaged, or has no column of task IDs or one of another type.
    """
    with TemporaryFile() as spool:
        # A reader of Parquet begins at the end, which it cannot in a pipe.
        copyfileobj(stream, spool)
        spool.seek(0)
        try:
            yield from _rows(spool, name, column)
        except pl.exceptions.PolarsError as error:
            raise _unreadable(name, str(error).splitlines()[0]) from None
        except pl.exceptions.PanicException:
            # The reader of Parquet ends so on some damage. It is no Exception, so no other handler would catch it.
            raise _unreadable(name, "It is damaged") from None


def _unreadable(name: str, reason: str) -> InputError:
    return InputError(f"{name} cannot be read as Parquet: {reason}.", code=Code.FILE_MALFORMED, remedy=NOTHING_ADDED)


def _rows(spool: IO[bytes], name: str, column: str | None) -> Iterator[RawRow]:
    frame = pl.scan_parquet(spool)
    schema = frame.collect_schema()
    header = schema.names()
    columns = require_columns(header, column, place=name)
    ids = header[columns.task_id]
    _require_ids(ids, schema[ids], name)
    wanted = [pl.col(ids).alias("id")]
    if columns.submitted_at is not None:
        times = header[columns.submitted_at]
        wanted.append(_as_microseconds(times, schema[times], name).alias("at"))
    batches = frame.select(wanted).collect_batches(chunk_size=ROWS, maintain_order=True)
    is_number = len(wanted) > 1 and schema[times].is_temporal()
    rows = chain.from_iterable(batch.iter_rows() for batch in batches)
    for number, (task_id, *time) in enumerate(rows, 1):
        yield number, task_id, _duration(time[0]) if is_number else next(iter(time), None)


def _require_ids(name: str, kind: pl.DataType, file: str) -> None:
    """Refuse a type whose values may have lost digits, or are no numbers."""
    is_whole = kind.is_integer() or (isinstance(kind, pl.Decimal) and not kind.scale)
    if is_whole or isinstance(kind, pl.String | pl.Categorical | pl.Enum | pl.Null):
        return
    reason = "which keep 15 to 17 digits of a number" if kind.is_float() else "which are no whole numbers or texts"
    raise InputError(
        f"{file}: the column {name} holds values of the type {kind}, {reason}.",
        code=Code.FILE_MALFORMED,
        remedy=f"{AS_TEXT} In SQL: CAST({name} AS VARCHAR). Nothing was added.",
    )


def _as_microseconds(name: str, kind: pl.DataType, file: str) -> pl.Expr:
    """Return the numbers behind times, which need no calendar and no zone: Parquet counts in UTC."""
    match kind:
        case pl.Datetime() | pl.Date():
            factor, divisor = MICROSECONDS[kind.time_unit] if isinstance(kind, pl.Datetime) else DAY
            return pl.col(name).to_physical().cast(pl.Int128) * factor // divisor
        case pl.String() | pl.Categorical() | pl.Enum() | pl.Null():
            return pl.col(name)
        case _:
            raise InputError(
                f"{file}: the column {name} holds values of the type {kind}, which are no times.",
                code=Code.FILE_MALFORMED,
                remedy="Write the column as a timestamp, or leave it out. Nothing was added.",
            )


def _duration(microseconds: Any) -> timedelta | int | None:
    """Return the time since 1970; a number that is too large for one stays a number."""
    try:
        return None if microseconds is None else timedelta(microseconds=microseconds)
    except OverflowError:
        return int(microseconds)
