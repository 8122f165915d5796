"""The pending table in SQLite, which takes any text for a time and rounds where other engines cut."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement
from sqlalchemy.types import TypeEngine

from etl.database.engines.base import plain_text
from etl.source.engines.base import Compile, QueueSql
from etl.tasks import ID_EPOCH_MS, ID_TIME_SHIFT, MAX_TASK_ID_DIGITS

DAY = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]"


class SQLiteQueue(QueueSql):
    """The statements in the SQL of SQLite."""

    def json_rows(self, types: Mapping[str, TypeEngine[Any]]) -> str:
        """Read each row as a list, which SQLite searches faster than names."""
        fields = ", ".join(f"json_extract(value, '$[{place}]') AS {name}" for place, name in enumerate(types))
        return f"SELECT {fields} FROM json_each(:rows)"  # noqa: S608 - our own names

    def json_row(self, row: Mapping[str, Any]) -> object:
        """Return the values in order, with times as text that sorts."""
        return [plain_text(value) if isinstance(value, datetime) else value for value in row.values()]

    def is_id_sql(self, key: str) -> str:
        """Look for another character than a digit."""
        return f"{key} NOT GLOB '*[^0-9]*' AND length({key}) BETWEEN 1 AND {MAX_TASK_ID_DIGITS}"

    def position_sql(self, time: str, key: str) -> str:
        """Compute with Julian days, and with the ID in two halves."""
        # SQLite rounds to the millisecond; all others cut. The expression therefore cuts off finer digits first.
        cut = (
            f"CASE WHEN {time} GLOB '*.[0-9][0-9][0-9][0-9]*' "
            f"THEN substr({time}, 1, 23) || ltrim(substr({time}, 24), '0123456789') ELSE {time} END"
        )
        # 19 digits can be more than its integers hold: id >> 23 is (a * 5^9 + (b >> 9)) >> 14 for id = a * 10^9 + b.
        upper, lower = f"substr({key}, 1, length({key}) - 9)", f"substr({key}, -9)"
        in_id = f"(CAST({upper} AS INTEGER) * {5**9} + (CAST({lower} AS INTEGER) >> 9)) >> {ID_TIME_SHIFT - 9}"
        return (
            # SQLite counts in whole milliseconds inside, and its Julian days are exact to a fraction of one.
            f"COALESCE(CAST(round((julianday({cut}) - 2440587.5) * 86400000.0) AS INTEGER), "
            f"CASE WHEN {self.is_id_sql(key)} "
            f"THEN ({in_id}) + {ID_EPOCH_MS} ELSE 0 END)"
        )

    def instant(self, value: ColumnElement[Any], compiled: Compile) -> str:
        """Write dates so that SQLite reads them, too: it takes digits for Julian days, and no zone after a date.

        A text without a digit in front is null, since SQLite takes ``now`` for a time, and so is any other number.
        """
        given = super().instant(value, compiled)
        bare, dense = f"trim({given})", f"replace({given}, ' ', '')"
        return (
            f"CASE WHEN {bare} GLOB '{'[0-9]' * 8}' "
            f"THEN substr({bare}, 1, 4) || '-' || substr({bare}, 5, 2) || '-' || substr({bare}, 7) "
            f"WHEN {dense} GLOB '{DAY}[+-][0-9][0-9]:[0-9][0-9]' "
            f"THEN substr({dense}, 1, 10) || 'T00:00' || substr({dense}, 11) "
            f"WHEN {given} GLOB '[ 0-9]*' AND {given} GLOB '*[^0-9.]*' THEN {given} END"
        )

    def time_condition(self) -> str:
        """Check the form as well: SQLite's functions accept more forms of a time than other engines do."""
        return f"""submitted_at IS NULL OR (
        submitted_at BETWEEN '0002' AND '9999-12-31'
        AND (submitted_at GLOB '{DAY}' OR submitted_at GLOB '{DAY}[ T][0-9][0-9]:[0-9][0-9]*')
        AND substr(submitted_at, 12, 2) < '24'
        AND date(julianday(substr(submitted_at, 1, 10))) = substr(submitted_at, 1, 10)
        AND julianday(submitted_at) IS NOT NULL
    )"""
