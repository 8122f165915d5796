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

SETTINGS = ("memory_limit = '64MB'", "GLOBAL allocator_bulk_deallocation_flush_threshold = '2MB'")
"""The memory of the engine, which its cache fills, and what its allocator keeps of what is freed."""

MAX_THREADS = 8
"""Each thread needs a part of that memory."""

SETTINGS_OF_A_LARGE_RESULT = ("memory_limit = '192MB'", "threads = 1")
"""Each thread holds a part of the memory while it sorts, and the other rows are in the temporary folder. With eight
threads, 128 MB were too little for a day of ten million rows; with one, they were enough for 20 million, and 64 for
three million. One thread takes no longer than two.
"""


class DuckDBSnapshot(Snapshot):
    """A file that no other process writes to while it is open."""

    max_rows_of_query = MAX_ROWS

    def prepare(self) -> None:
        """Limit the memory of the engine, which would otherwise take most of the machine's."""
        self._set(*SETTINGS, _threads())
        # Polars keeps text as such views, and would convert any other form.
        self._set("produce_arrow_string_view = true")

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
        self._set(*SETTINGS_OF_A_LARGE_RESULT)
        # The rowid of rows that are not committed yet begins at 2^55.
        numbered = f"SELECT row_number() OVER () AS number, * FROM ({sql})"  # noqa: S608 - our own names
        self.connection.exec_driver_sql(f"CREATE TEMP TABLE exported AS {numbered}")
        for start in range(0, rows, MAX_ROWS):
            is_next = f"number > {start} AND number <= {start + MAX_ROWS}"
            part = f"SELECT * EXCLUDE (number) FROM temp.exported WHERE {is_next} ORDER BY number"  # noqa: S608
            yield self._frame(part, schema)
        self.connection.exec_driver_sql("DROP TABLE temp.exported")
        # The engine keeps the table until the transaction ends. The next one reads the same, as nothing else may write.
        self.connection.commit()
        self._set(*SETTINGS, _threads())

    def _set(self, *settings: str) -> None:
        for setting in settings:
            self.connection.exec_driver_sql(f"SET {setting}")

    def _frame(self, sql: str, schema: "pl.Schema") -> "pl.DataFrame":
        import polars as pl  # noqa: PLC0415 - commands that read little do not wait for it

        driver: Any = self.connection.connection.driver_connection
        with self._past_sqlalchemy():
            return pl.DataFrame(_Stream(driver.sql(sql))).cast(schema)


def _threads() -> str:
    return f"threads = {min(os.cpu_count() or 1, MAX_THREADS)}"


class _Stream:
    """Shows polars a result by the Arrow stream alone, so that it needs no pyarrow to read it."""

    def __init__(self, relation: Any) -> None:
        self._relation = relation

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._relation.__arrow_c_stream__(requested_schema)
