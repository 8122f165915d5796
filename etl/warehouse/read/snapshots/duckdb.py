"""DuckDB: it hands frames over as Arrow streams, each of which it first fills."""

import os
from collections.abc import Iterator, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Date, Select, Text, cast, func

from etl.warehouse.read.snapshots.base import Snapshot

if TYPE_CHECKING:
    import polars as pl

MAX_ROWS = 125_000
"""The rows of one stream, which is in memory as a whole. Half as many save no more, and take longer."""

SETTINGS = ("memory_limit = '128MB'", "GLOBAL allocator_bulk_deallocation_flush_threshold = '2MB'")
"""The memory of the engine, which its cache fills, and what its allocator keeps of what is freed. The sorting of a very
large day goes to the temporary folder. An export of 10 million facts takes 455 MiB by both together, and 549 by the
second alone; with twice the memory and streams twice as long, it took 871."""

MAX_THREADS = 8
"""Each thread needs a part of that memory: eight had enough for a day of three million facts."""


class DuckDBSnapshot(Snapshot):
    """A file that no other process writes to while it is open."""

    max_rows_of_query = MAX_ROWS

    def prepare(self) -> None:
        """Limit the memory of the engine, which would otherwise take most of the machine's."""
        for setting in SETTINGS:
            self.connection.exec_driver_sql(f"SET {setting}")
        self.connection.exec_driver_sql(f"SET threads = {min(os.cpu_count() or 1, MAX_THREADS)}")
        # Polars keeps text as such views, and would convert any other form.
        self.connection.exec_driver_sql("SET produce_arrow_string_view = true")

    def day(self, time: ColumnElement[Any]) -> ColumnElement[date]:
        """Return the day by the microseconds since 1970: to ask the engine's calendar takes ten times as long."""
        return cast(func.make_timestamp(func.epoch_us(time)), Date)

    def fingerprint(self, columns: Sequence[ColumnElement[Any]]) -> ColumnElement[str]:
        """Return the sum of the engine's hashes of the rows."""
        return cast(func.sum(func.hash(*columns)), Text)

    def frames(self, query: Select[Any], schema: "pl.Schema", *, rows: int) -> Iterator["pl.DataFrame"]:
        """Yield the whole result, or parts of a temporary table if the result is large."""
        sql = str(query.compile(self.connection, compile_kwargs={"literal_binds": True}))
        if rows <= MAX_ROWS:
            yield self._frame(sql, schema)
            return
        # The rowid of rows that are not committed yet begins at 2^55.
        numbered = f"SELECT row_number() OVER () AS number, * FROM ({sql})"  # noqa: S608 - our own names
        self.connection.exec_driver_sql(f"CREATE TEMP TABLE exported AS {numbered}")
        for start in range(0, rows, MAX_ROWS):
            is_next = f"number > {start} AND number <= {start + MAX_ROWS}"
            part = f"SELECT * EXCLUDE (number) FROM temp.exported WHERE {is_next} ORDER BY number"  # noqa: S608
            yield self._frame(part, schema)
        self.connection.exec_driver_sql("DROP TABLE temp.exported")

    def _frame(self, sql: str, schema: "pl.Schema") -> "pl.DataFrame":
        import polars as pl  # noqa: PLC0415 - commands that read little do not wait for it

        driver: Any = self.connection.connection.driver_connection
        return pl.DataFrame(_Stream(driver.sql(sql))).cast(schema)


class _Stream:
    """Shows polars a result by the Arrow stream alone, so that it needs no pyarrow to read it."""

    def __init__(self, relation: Any) -> None:
        self._relation = relation

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._relation.__arrow_c_stream__(requested_schema)
