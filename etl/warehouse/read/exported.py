"""Selects what an export holds: the tables, their days, and the rows of some days as frames.

Rows that were written before may change: a check moves ``last_checked_at``, a late answer changes the history, labels
change dimensions, and a clock may step back. No column shows all of that, so an export compares fingerprints of days.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Date,
    Double,
    Integer,
    Select,
    Table,
    exists,
    false,
    func,
    or_,
    select,
)

from etl.database.types import UtcDateTime
from etl.warehouse.read.snapshots.base import Snapshot
from etl.warehouse.tables import (
    audit_run,
    dead_letter,
    dim_day,
    dim_result_code,
    dim_task_status,
    dim_task_type,
    dim_tenant,
    fact_task_status,
    fact_task_status_change,
)

if TYPE_CHECKING:
    import polars as pl

DAY = "day"
"""The name of the partition, which is a column of no table."""

MAX_RANGES_OF_QUERY = 50
"""The conditions of one query stay few."""

ARROW_TYPES = {
    "Int64": "int64",
    "Float64": "double",
    "Boolean": "bool",
    "String": "string",
    "Date": "date32[day]",
    "Datetime(time_unit='us', time_zone='UTC')": "timestamp[us, tz=UTC]",
}
"""The types in files, by those in frames."""

Days = Sequence[date | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedTable:
    """A table of an export."""

    table: Table
    day_of: str | None = None
    """The column whose day in UTC is the partition of a row; None if the table is one file."""

    @property
    def name(self) -> str:
        """The name of the table."""
        return str(self.table.name)

    @property
    def columns(self) -> list[Column[Any]]:
        """The columns, in the order of the dictionary."""
        return list(self.table.columns)


EXPORTED = (
    ExportedTable(table=fact_task_status, day_of="submitted_at"),
    ExportedTable(table=fact_task_status_change, day_of="observed_at"),
    ExportedTable(table=dead_letter, day_of="first_failed_at"),
    ExportedTable(table=audit_run, day_of="started_at"),
    *(ExportedTable(table=table) for table in (dim_task_status, dim_task_type, dim_result_code, dim_tenant, dim_day)),
)
"""The tables of an export, in the order of its manifest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DayState:
    """The rows of one day of a table."""

    day: date | None
    """None: the rows without a time, or all rows of a table without days."""
    rows: int
    fingerprint: str
    """The same as long as no value of these rows changes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LastRun:
    """The newest run of the warehouse."""

    run_id: str
    started_at: datetime
    finished_at: datetime | None
    outcome: str


def days_of(snapshot: Snapshot, exported: ExportedTable) -> list[DayState]:
    """Count the rows of each day, and calculate their fingerprints; a table without days is always one state."""
    columns = exported.columns
    measures = (func.count(), snapshot.fingerprint(columns))
    if exported.day_of is None:
        rows, fingerprint = snapshot.connection.execute(select(*measures).select_from(exported.table)).one()
        return [DayState(day=None, rows=rows, fingerprint=str(fingerprint))]
    day = snapshot.day(exported.table.c[exported.day_of]).label(DAY)
    found = snapshot.connection.execute(select(day, *measures).group_by(day))
    states = [DayState(day=each, rows=rows, fingerprint=str(value)) for each, rows, value in found]
    return sorted(states, key=lambda state: (state.day is not None, state.day or date.min))


def rows_of(
    snapshot: Snapshot, exported: ExportedTable, wanted: Sequence[DayState], existing: Days
) -> Iterator["pl.DataFrame"]:
    """Yield the rows of some days as frames, sorted by day and key; the first column is the day.

    Args:
        snapshot: where to read.
        exported: the table.
        wanted: the days, in order.
        existing: all days of the table, in order.
    """
    frame_schema = {DAY: polars_type(Date()), **{each.name: polars_type(each.type) for each in exported.columns}}
    import polars as pl  # noqa: PLC0415 - commands that read little do not wait for it

    for states, query in _queries(snapshot, exported, wanted, existing):
        rows = sum(state.rows for state in states)
        if rows:
            yield from snapshot.frames(query, pl.Schema(frame_schema), rows=rows)


def has_run(snapshot: Snapshot, run_id: str) -> bool:
    """Return whether the warehouse has a run."""
    return bool(snapshot.connection.scalar(select(exists().where(audit_run.c.run_id == run_id))))


def first_run_id(snapshot: Snapshot) -> str | None:
    """Return the ID of the first run; None if there is no run yet."""
    run_id: str | None = snapshot.connection.scalar(select(func.min(audit_run.c.run_id)))
    return run_id


def last_run(snapshot: Snapshot) -> LastRun | None:
    """Return the newest run; None if there is no run yet."""
    run = audit_run.c
    query = select(run.run_id, run.started_at, run.finished_at, run.outcome).order_by(run.run_id.desc()).limit(1)
    row = snapshot.connection.execute(query).one_or_none()
    return LastRun(**row._mapping) if row else None  # noqa: SLF001 - SQLAlchemy's documented name


def polars_type(sql_type: object) -> "pl.DataType":
    """Return the type of a column in a frame and in a file."""
    import polars as pl  # noqa: PLC0415 - the same

    match sql_type:
        case UtcDateTime():
            return pl.Datetime("us", "UTC")
        case Date():
            return pl.Date()
        case Boolean():
            return pl.Boolean()
        case Double():
            return pl.Float64()
        case Integer():
            return pl.Int64()
        case _:
            return pl.String()


def arrow_type(sql_type: object) -> str:
    """Return the type of a column in a file, in Arrow's words."""
    return ARROW_TYPES[str(polars_type(sql_type))]


def _queries(
    snapshot: Snapshot, exported: ExportedTable, wanted: Sequence[DayState], existing: Days
) -> Iterator[tuple[list[DayState], Select[Any]]]:
    """Yield queries that together select the rows of the wanted days, each with few enough rows and conditions."""
    limit = snapshot.max_rows_of_query
    states: list[DayState] = []
    ranges: list[list[date | None]] = []
    position = {day: number for number, day in enumerate(existing)}
    for state in wanted:
        is_next = bool(ranges) and position[state.day] == position[ranges[-1][-1]] + 1 and ranges[-1][-1] is not None
        is_full = limit is not None and sum(each.rows for each in states) + state.rows > limit
        if states and (is_full or (not is_next and len(ranges) == MAX_RANGES_OF_QUERY)):
            yield states, _query(snapshot, exported, ranges)
            states, ranges, is_next = [], [], False
        states.append(state)
        if is_next:
            ranges[-1].append(state.day)
        else:
            ranges.append([state.day])
    if states:
        yield states, _query(snapshot, exported, ranges)


def _query(snapshot: Snapshot, exported: ExportedTable, ranges: Sequence[Days]) -> Select[Any]:
    key = [snapshot.order(column) for column in exported.table.primary_key.columns]
    if exported.day_of is None:
        # A day that is no day: the table is one part.
        nothing = snapshot.no_day().label(DAY)
        return select(nothing, *exported.columns).order_by(*key)
    time = exported.table.c[exported.day_of]
    day = snapshot.day(time).label(DAY)
    return select(day, *exported.columns).where(_in_ranges(snapshot, time, ranges)).order_by(day, *key)


def _in_ranges(snapshot: Snapshot, time: ColumnElement[Any], ranges: Sequence[Days]) -> ColumnElement[bool]:
    return or_(false(), *(_in_range(snapshot, time, days[0], days[-1]) for days in ranges))


def _in_range(
    snapshot: Snapshot, time: ColumnElement[Any], first: date | None, last: date | None
) -> ColumnElement[bool]:
    if first is None or last is None:
        return snapshot.day(time).is_(None)
    return snapshot.in_days(time, first, last)
