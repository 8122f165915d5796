"""PostgreSQL: rows come by COPY, as CSV, and times as seconds since 1970."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Select, Text, cast, collate, extract, func, literal_column
from sqlalchemy.types import String

from etl.database.types import KeyText, UtcDateTime
from etl.warehouse.read.snapshots.base import ROWS_PER_FRAME, Snapshot

if TYPE_CHECKING:
    import polars as pl


class PostgreSQLSnapshot(Snapshot):
    """A transaction that repeats what it has read."""

    def order(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        """Sort text by its bytes, which is also faster than the words of a language."""
        return collate(column, "C") if isinstance(column.type, (Text, String, KeyText)) else column

    def fingerprint(self, columns: Sequence[ColumnElement[Any]]) -> ColumnElement[str]:
        """Return the sum of the server's own hashes of rows, which PostgreSQL has since version 14."""
        row: ColumnElement[Any] = literal_column(f"ROW({', '.join(str(column.compile()) for column in columns)})")
        return cast(func.sum(func.hash_record_extended(row, 0)), Text)

    def frames(self, query: Select[Any], schema: "pl.Schema", *, rows: int) -> Iterator["pl.DataFrame"]:  # noqa: ARG002 - as the base
        """Yield the rows as the server sends them."""
        columns = [
            extract("epoch", column).label(column.name) if isinstance(column.type, UtcDateTime) else column
            for column in query.selected_columns
        ]
        plain = query.with_only_columns(*columns, maintain_column_froms=True)
        sql = str(plain.compile(self.connection, compile_kwargs={"literal_binds": True}))
        cursor: Any = self.connection.connection.cursor()
        lines: list[bytes] = []
        with self._past_sqlalchemy(), cursor.copy(f"COPY ({sql}) TO STDOUT (FORMAT csv)") as copy:
            for line in copy:
                # The driver hands out its own buffers, and to keep many of them takes twice the time.
                lines.append(bytes(line))
                if len(lines) == ROWS_PER_FRAME:
                    yield _frame(lines, schema)
                    lines.clear()
        if lines:
            yield _frame(lines, schema)


def _frame(lines: list[bytes], schema: "pl.Schema") -> "pl.DataFrame":
    """Read lines of CSV; for polars and PostgreSQL alike, an unquoted empty field is null, and a quoted one is text."""
    import polars as pl  # noqa: PLC0415 - commands that read little do not wait for it

    sent = {name: kind if kind in (pl.Int64, pl.Float64) else pl.String for name, kind in schema.items()}
    frame = pl.read_csv(b"".join(lines), has_header=False, schema=sent)
    return frame.with_columns(_parsed(name, kind) for name, kind in schema.items())


def _parsed(name: str, kind: "pl.DataType") -> "pl.Expr":
    import polars as pl  # noqa: PLC0415 - the same

    column = pl.col(name)
    if kind == pl.Datetime("us", "UTC"):
        # The server always sends six decimals.
        return column.str.replace(".", "", literal=True).cast(pl.Int64).cast(kind)
    if kind == pl.Date:
        return column.str.to_date("%Y-%m-%d")
    return column == "t" if kind == pl.Boolean else column
