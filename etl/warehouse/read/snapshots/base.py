"""The base of the snapshots: how one engine groups by day, calculates fingerprints, and returns many rows."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Connection, Date, Select, and_, cast, literal_column, null

from etl.database.engines import engine_of

if TYPE_CHECKING:
    import polars as pl

ROWS_PER_FRAME = 50_000
"""The rows that a driver returns at once, at most."""


class Snapshot(ABC):
    """A transaction that reads the state of one instant."""

    max_rows_of_query: int | None = None
    """The rows that one query should return, at most, if the engine keeps them all in memory."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def prepare(self) -> None:  # noqa: B027 - an engine may need none
        """Set up the transaction before its first query."""

    def day(self, time: ColumnElement[Any]) -> ColumnElement[date]:
        """Return the day of a time in UTC."""
        return cast(time, Date)

    def in_days(self, time: ColumnElement[Any], first: date, last: date) -> ColumnElement[bool]:
        """Return the condition that a time is in a range of days; it has no bound values."""
        return and_(time >= self.instant(first), time < self.instant(last + timedelta(days=1)))

    def instant(self, day: date) -> ColumnElement[Any]:
        """Return the literal of the first instant of a day."""
        return literal_column(f"TIMESTAMPTZ '{day.isoformat()} 00:00:00+00'")

    def no_day(self) -> ColumnElement[date]:
        """Return the day of rows in a table without days."""
        return cast(null(), Date)

    def order(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        """Return what sorts a column the same on every engine: text by its code points."""
        return column

    @abstractmethod
    def fingerprint(self, columns: Sequence[ColumnElement[Any]]) -> ColumnElement[str]:
        """Return an aggregate that differs if any value of the rows differs, whatever their order."""

    def frames(self, query: Select[Any], schema: "pl.Schema", *, rows: int) -> Iterator["pl.DataFrame"]:  # noqa: ARG002 - as the base of others
        """Run a query without bound values, and yield its rows in their order.

        Args:
            query: the query.
            schema: the names and types of its columns.
            rows: the number of rows that the query returns.
        """
        import polars as pl  # noqa: PLC0415 - commands that read little do not wait for it

        result = self.connection.execute(query.execution_options(stream_results=True, yield_per=ROWS_PER_FRAME))
        for part in result.partitions():
            yield pl.DataFrame(list(map(tuple, part)), schema=schema, orient="row")

    @contextmanager
    def _past_sqlalchemy(self) -> Iterator[None]:
        """Translate the errors of the driver alone: SQLAlchemy's events do not see them."""
        try:
            yield
        except self.connection.dialect.loaded_dbapi.Error as error:
            raise engine_of(self.connection).translate(error, database="the warehouse") or error from error
