"""Writes frames of sorted rows as Parquet files: one or more for each day, with the same bytes for the same rows."""

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from io import BytesIO
from uuid import UUID

import polars as pl

from etl.crash_points import crash_point
from etl.export.manifest import Part

MAX_ROWS = 250_000
"""The rows of a file, at most, and of all files that are being written."""

WRITERS = 4
"""The files that are compressed and written at a time, while the next rows are read."""

NO_DAY = "__HIVE_DEFAULT_PARTITION__"
"""What readers of partitioned folders take for null."""

DAY = "day=(?:[0-9]{4}-[0-9]{2}-[0-9]{2}|__HIVE_DEFAULT_PARTITION__)"
UUID_FORM = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"

NAME = re.compile(
    rf"([a-z_]+(/{DAY})?/(?P<export_id>{UUID_FORM})-[0-9]{{4,}}\.(parquet|unfinished)"
    rf"|manifest-(?P<by>{UUID_FORM})\.unfinished)\Z",
    re.ASCII,
)
"""The names of files that an export writes beside its manifest; all others in the same place stay untouched."""

WriteFile = Callable[[str, bytes], None]
"""Writes a file of this name, as a whole or not at all."""


def write_days(
    frames: Iterable[pl.DataFrame], *, table: str, export_id: str, write: WriteFile, has_days: bool
) -> Iterator[tuple[date | None, Part]]:
    """Write the files of some days, several at a time.

    Args:
        frames: rows sorted by day and key; the first column is the day, and is not written.
        table: the name of the table.
        export_id: the export, whose files have names of their own.
        write: writes a file; called in threads.
        has_days: whether the files are in folders of days.

    Yields:
        The day of each file, and the file.
    """
    writing: deque[tuple[date | None, int, Future[Part]]] = deque()
    pool = ThreadPoolExecutor(WRITERS, thread_name_prefix="export")
    try:
        for number, (day, rows) in enumerate(_parts(frames)):
            folder = f"{table}/day={day or NO_DAY}" if has_days else table
            name = f"{folder}/{export_id}-{number:04d}.parquet"
            writing.append((day, rows.height, pool.submit(_write_part, rows, name, write)))
            while sum(height for _, height, _ in writing) > MAX_ROWS:
                first, _, part = writing.popleft()
                yield first, part.result()
        for day, _, part in writing:
            yield day, part.result()
    finally:
        # After an error no further file begins.
        pool.shutdown(cancel_futures=True)


def parquet(rows: pl.DataFrame) -> bytes:
    """Return rows as one Parquet file with one row group."""
    buffer = BytesIO()
    rows.rechunk().write_parquet(buffer, compression="zstd", row_group_size=MAX_ROWS)
    return buffer.getvalue()


def written_at(name: str) -> datetime | None:
    """Return when the export began that wrote a file; None if no export wrote it. A UUIDv7 begins with the time."""
    found = NAME.match(name)
    if found is None:
        return None
    milliseconds = UUID(found["export_id"] or found["by"]).int >> 80
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)


def _write_part(rows: pl.DataFrame, name: str, write: WriteFile) -> Part:
    content = parquet(rows)
    write(name, content)
    crash_point("exporting")
    return Part(path=name, rows=rows.height, bytes=len(content), sha256=sha256(content).hexdigest())


def _parts(frames: Iterable[pl.DataFrame]) -> Iterator[tuple[date | None, pl.DataFrame]]:
    """Yield the rows of each file: those of one day, and not too many."""
    day: date | None = None
    kept: list[pl.DataFrame] = []
    for frame in frames:
        start = 0
        # The rows are sorted, so that those of a day are a slice, which copies nothing.
        for length, day_of_rows in frame[frame.columns[0]].rle().struct.unnest().iter_rows():
            if kept and day_of_rows != day:
                yield day, pl.concat(kept)
                kept = []
            day = day_of_rows
            kept.append(frame[start : start + length, 1:])
            start += length
            while sum(each.height for each in kept) >= MAX_ROWS:
                together = pl.concat(kept)
                yield day, together.head(MAX_ROWS)
                kept = [together.slice(MAX_ROWS)] if together.height > MAX_ROWS else []
    if kept:
        yield day, pl.concat(kept)
