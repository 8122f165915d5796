"""The pending table in PostgreSQL, whose planner must keep to the index, and which takes rows as one JSON array."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ARRAY,
    CTE,
    ColumnElement,
    Connection,
    DateTime,
    FromClause,
    Index,
    Integer,
    Row,
    Table,
    Text,
    case,
    cast,
    collate,
    func,
    literal,
)
from sqlalchemy.types import TypeEngine, UserDefinedType

from etl.source.engines.base import Claim, Compile, QueueSql
from etl.tasks import ID_EPOCH_MS, ID_TIME_SHIFT, MAX_TASK_ID_DIGITS, instant_of

LEAP_YEAR = "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)"
DAY = (
    f"(?:[0-9]{{4}}-?(?:(?:0[13578]|1[02])-?(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-?(?:0[1-9]|[12][0-9]|30)"
    f"|02-?(?:0[1-9]|1[0-9]|2[0-8]))|{LEAP_YEAR}-?02-?29)"
)
TIME = "(?:[01][0-9]|2[0-3]):?[0-5][0-9](?::?[0-5][0-9](?:[.][0-9]+)?)?"
ZONE = "(?:[Zz]|[+-](?:0[0-9]|1[0-5])(?::?[0-5][0-9])?)"
FIRST_INSTANT, LAST_INSTANT = "0002-01-01T00:00:00Z", "9998-12-31T23:59:59Z"
TIMESTAMPS = "1114, 1184"
"""The types ``timestamp`` and ``timestamptz`` (pg_type.dat of PostgreSQL)."""
MD5_CHARACTERS = 32
INSTANT_FORM = f"^{DAY}(?:[T ]{TIME} *{ZONE}?)?$"
"""The forms of a time that PostgreSQL converts without an error. A lookahead would take ten times as long."""

AFTER_ALL_IDS = ":"
"""The character after the digits."""

MAX_TEXTS = 16
"""The texts that PostgreSQL searches sooner than names: it walks over texts, since they differ in length."""

JSON_TYPES = {datetime: "timestamptz", int: "bigint", str: "text"}
"""The types of values in JSON."""


class Name(UserDefinedType[str]):
    """PostgreSQL's type of a short text of a fixed size, which it compares by bytes."""

    cache_ok = True

    def get_col_spec(self, **_options: Any) -> str:
        """Return the name of the type."""
        return "name"


class PostgreSQLQueue(QueueSql):
    """The statements in the SQL of PostgreSQL."""

    random_sql = "pg_catalog.random()"

    def prefer_index(self, connection: Connection) -> None:
        """Take the index even if the statistics are old.

        Without it PostgreSQL would compute the time inside each ID, which takes ten times as long as a look into the
        index. It does not sort the rows of all days to count them, nor compile the statement, which takes longer than
        most counts.
        """
        for setting in ("enable_seqscan", "enable_bitmapscan", "enable_sort", "jit"):
            connection.exec_driver_sql(f"SET LOCAL {setting} = off")

    def prefer_pass(self, connection: Connection) -> None:
        """Take what the planner thinks best; to compile the statement takes longer than it saves."""
        for setting in ("enable_seqscan", "enable_bitmapscan", "enable_sort"):
            connection.exec_driver_sql(f"SET LOCAL {setting} TO DEFAULT")
        connection.exec_driver_sql("SET LOCAL jit = off")

    def period(self, table: FromClause, starts: Sequence[int]) -> ColumnElement[int]:
        """Compare times, or IDs with the first IDs of the starts: the position of a row takes twenty times as long.

        IDs of the same length, compared by their bytes, have the order of their times.
        """
        time, task_id = table.c.submitted_at, table.c.task_id
        padded = func.lpad(task_id, MAX_TASK_ID_DIGITS, "0")
        key: ColumnElement[Any] = collate(
            case((func.octet_length(task_id) == MAX_TASK_ID_DIGITS, task_id), else_=padded), "C"
        )
        times = literal(list(map(instant_of, starts)), ARRAY(DateTime(timezone=True)))
        first_ids: ColumnElement[Any] = literal(list(map(_first_id, starts)), ARRAY(Text))
        if len(starts) > MAX_TEXTS:
            key, first_ids = cast(key, Name), cast(first_ids, ARRAY(Name))
        by_time = func.width_bucket(time, times, type_=Integer)
        return case((time.is_not(None), by_time), else_=func.width_bucket(key, first_ids, type_=Integer))

    def claim(self, connection: Connection, claim: Claim) -> Sequence[Row[Any]]:
        """Take rows in the order of the index.

        Without statistics, as after a bulk insert, the planner would sort the whole table for every claim.
        """
        connection.exec_driver_sql("SET LOCAL enable_sort = off")
        return super().claim(connection, claim)

    def json_rows(self, types: Mapping[str, TypeEngine[Any]]) -> str:
        """Read the array as a table.

        One statement for each row costs this process four times as much, an array for each column twice as much.
        """
        fields = ", ".join(f"{name} {JSON_TYPES[type_.python_type]}" for name, type_ in types.items())
        return f"SELECT * FROM pg_catalog.json_to_recordset(CAST(:rows AS JSON)) AS given({fields})"  # noqa: S608 - our own names

    def is_id_sql(self, key: str) -> str:
        """Match the whole text: ``$`` matches at its very end only."""
        return f"{key} ~ '^[0-9]{{1,{MAX_TASK_ID_DIGITS}}}$'"

    def position_sql(self, time: str, key: str) -> str:
        """Compute with numerics; AT TIME ZONE makes the expression immutable, which an index needs.

        Each argument has the type that its function or operator has, so that no other one fits better.
        """
        return (
            f"COALESCE(pg_catalog.floor(extract(epoch FROM {time} AT TIME ZONE 'UTC') * 1000::numeric)::bigint, "
            f"CASE WHEN {self.is_id_sql(key)} "
            # Division of numerics rounds; div cuts.
            f"THEN pg_catalog.div({key}::numeric, {1 << ID_TIME_SHIFT}::numeric)::bigint + {ID_EPOCH_MS} ELSE 0 END)"
        )

    def readable_instant(self, value: ColumnElement[Any], compiled: Compile) -> str:
        """Return null for what is no time: a cast of it would end the whole statement.

        PostgreSQL 16 has functions that try a cast; the job also runs on 14. The comparison of times takes a tenth of
        the time that the comparison of a text with its form takes.
        """
        given = f"({compiled(value)})"
        instant, written = f"{given}::timestamptz", f"pg_catalog.btrim({given}::text)"
        can_be_held = f"{written} COLLATE \"C\" BETWEEN '{FIRST_INSTANT}' AND '{LAST_INSTANT}'"
        return (
            f"CASE WHEN pg_catalog.pg_typeof({given})::oid = ANY ('{{{TIMESTAMPS}}}'::oid[]) "
            f"THEN CASE WHEN {instant} BETWEEN '{FIRST_INSTANT}' AND '{LAST_INSTANT}' THEN {instant} END "
            f"WHEN {written} ~ '{INSTANT_FORM}' AND {can_be_held} THEN {written}::timestamptz END"
        )

    def renew_due_index(self, connection: Connection, table: Table, position: ColumnElement[int]) -> None:
        """Drop and create the index: a function of its expression stays the one that was found first."""
        Index(f"{table.name}_due", _table=table).drop(connection)
        self.create_due_index(connection, table, position)

    def bound_ids(self, connection: Connection, table: Table, *, characters: int) -> None:
        """Add a CHECK: the index takes a text of 200,000 characters that compresses well.

        A text that is shortened keeps its beginning, and gets a digest in place of the rest, so that no two are alike.
        """
        name = connection.dialect.identifier_preparer.format_table(table)
        constraint = connection.dialect.identifier_preparer.quote(f"{table.name}_task_id")
        length = "pg_catalog.char_length(task_id)"
        kept = characters - MD5_CHARACTERS
        connection.exec_driver_sql(
            f"UPDATE {name} SET task_id = pg_catalog.left(task_id, {kept}) || pg_catalog.md5(task_id) "  # noqa: S608 - both are constants
            f"WHERE {length} > {characters}"
        )
        connection.exec_driver_sql(f"ALTER TABLE {name} ADD CONSTRAINT {constraint} CHECK ({length} <= {characters})")

    def _due(self, claim: Claim) -> CTE:
        # Otherwise the planner may run the LIMIT more than once and claim too many.
        return super()._due(claim).prefix_with("MATERIALIZED", dialect="postgresql")


def _first_id(ms: int) -> str:
    """Return the smallest ID of a time with all its digits, or a text that is greater than every ID."""
    digits = str(max(ms - ID_EPOCH_MS, 0) << ID_TIME_SHIFT).zfill(MAX_TASK_ID_DIGITS)
    return digits if len(digits) == MAX_TASK_ID_DIGITS else AFTER_ALL_IDS
