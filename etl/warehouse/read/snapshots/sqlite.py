"""SQLite: times are text, and the program itself calculates fingerprints."""

from collections.abc import Sequence
from datetime import date
from hashlib import blake2b
from typing import Any

from sqlalchemy import ColumnElement, Date, Text, func, type_coerce

from etl.warehouse.read.snapshots.base import Snapshot

FUNCTION = "task_audit_fingerprint"


class SQLiteSnapshot(Snapshot):
    """A transaction of a reader, which hinders no writer."""

    def prepare(self) -> None:
        """Add the aggregate to the connection."""
        driver: Any = self.connection.connection.driver_connection
        driver.create_aggregate(FUNCTION, -1, _Fingerprint)

    def day(self, time: ColumnElement[Any]) -> ColumnElement[date]:
        """Return the day of a time, in whatever form of ISO 8601 a program has written it."""
        return type_coerce(func.date(time), Date)

    def in_days(self, time: ColumnElement[Any], first: date, last: date) -> ColumnElement[bool]:
        """Compare the day itself: texts of times in several forms do not sort."""
        return type_coerce(func.date(time), Text).between(first.isoformat(), last.isoformat())

    def fingerprint(self, columns: Sequence[ColumnElement[Any]]) -> ColumnElement[str]:
        """Return the program's own aggregate."""
        return type_coerce(getattr(func, FUNCTION)(*columns), Text)


class _Fingerprint:
    """Adds the hashes of rows up."""

    def __init__(self) -> None:
        self._sum = 0

    def step(self, *values: object) -> None:
        """Add a row."""
        self._sum += int.from_bytes(blake2b(repr(values).encode(errors="surrogatepass"), digest_size=8).digest())

    def finalize(self) -> str:
        """Return the sum as text, since it has more than 64 bits."""
        return str(self._sum)
