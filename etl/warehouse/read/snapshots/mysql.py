"""MySQL and MariaDB: times without a zone, and MD5 for fingerprints."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Text, func, literal_column, type_coerce
from sqlalchemy.types import LargeBinary

from etl.warehouse.read.snapshots.base import Snapshot

HASH_DIGITS = 15
"""The hexadecimal digits of an MD5 that fit into a number of 64 bits with a sign."""


class MySQLSnapshot(Snapshot):
    """A transaction with a consistent snapshot."""

    def instant(self, day: date) -> ColumnElement[Any]:
        """Return a literal without a zone, which columns of times do not have either."""
        return literal_column(f"TIMESTAMP '{day.isoformat()} 00:00:00'")

    def fingerprint(self, columns: Sequence[ColumnElement[Any]]) -> ColumnElement[str]:
        """Return the sum of parts of MD5; the quotes keep NULL apart from text, and one value from the next."""
        # As binary strings, since columns of several collations cannot be joined.
        quoted = (func.quote(func.cast(literal_column(str(column.compile())), LargeBinary)) for column in columns)
        row = func.md5(func.concat_ws(",", *quoted))
        number = func.conv(func.left(row, HASH_DIGITS), 16, 10)
        return type_coerce(func.sum(number), Text)
