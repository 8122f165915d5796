"""The calendar ``dim_day``: the days of the warehouse's time zone, with the instants at which they begin and end.

SQLite knows no time zones, and MySQL often has no tables of them. Views therefore look a day up by its UTC date, and
compare the instant with the begin and the end of that day: the local day is this one, the day before or the day after.
"""

from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import Column, Connection, Engine, MetaData, Table, select, true

from etl.database.engines import engine_of
from etl.error_codes import Code
from etl.errors import ConfigurationError
from etl.times import UnreadableTimeError, zone_of_name
from etl.warehouse.tables import dim_day

if TYPE_CHECKING:
    import polars as pl

FIRST_DAY, LAST_DAY = date(2018, 1, 1), date(2040, 12, 31)
"""KooDrive's task IDs begin at the end of 2018. The UTC day counts for an instant outside of the calendar."""

ONE_DAY = timedelta(days=1)

log: structlog.stdlib.BoundLogger = structlog.get_logger()

stage_days = Table(
    "stage_days",
    MetaData(),
    *(Column(column.name, column.type, primary_key=column.primary_key, nullable=False) for column in dim_day.c),
    prefixes=["TEMPORARY"],
)
"""The staging table of a calendar."""


def fill_calendar(connection: Connection, time_zone: str) -> None:
    """Write every day of a zone over the days that are there."""
    kind, frame = engine_of(connection), days_in(time_zone)
    columns = stage_days.columns.keys()
    with kind.staged(connection, frame.select(columns).rows(), stage_days):
        # SQLite reads ON CONFLICT after a table's name as the condition of a join.
        connection.execute(kind.upsert(dim_day, columns, select(stage_days).where(true())))


def follow_zone(engine: Engine, version: Table, time_zone: str) -> None:
    """Fill the calendar again if it is of another zone than the settings of this run.

    Args:
        engine: the warehouse.
        version: the table of the warehouse's version, by which runs take turns.
        time_zone: an IANA name.
    """
    if zone_name(engine) == time_zone:
        return
    with engine.begin() as connection:
        engine_of(connection).lock_loads(connection, version)
        fill_calendar(connection, time_zone)
    log.info("calendar_filled", time_zone=time_zone)


def zone_name(engine: Engine) -> str:
    """Return the IANA name of the calendar's zone."""
    with engine.execution_options(read_only=True).connect() as connection:
        return connection.execute(select(dim_day.c.time_zone).limit(1)).scalar_one_or_none() or "UTC"


def zone_of(engine: Engine) -> ZoneInfo:
    """Return the calendar's zone.

    Raises:
        ConfigurationError: this machine does not know the zone.
    """
    name = zone_name(engine)
    try:
        return zone_of_name(name)
    except UnreadableTimeError:
        raise ConfigurationError(
            f"The days of the warehouse are those of {name}, and this machine does not know that time zone.",
            code=Code.SETTING_WRONG,
            remedy="Install the time zones of the system or the package tzdata, or correct warehouse.time_zone.",
        ) from None


@cache
def days_in(time_zone: str) -> "pl.DataFrame":
    """Make the rows of ``dim_day``.

    Args:
        time_zone: an IANA name.
    """
    import polars as pl  # noqa: PLC0415 - most commands need not pay its start-up time

    zone = ZoneInfo(time_zone)
    days = [FIRST_DAY + ONE_DAY * number for number in range((LAST_DAY - FIRST_DAY).days + 2)]
    begins = [_beginning(day, zone) for day in days]
    day, instant = pl.col("day_on"), pl.Datetime("us", "UTC")
    frame = pl.DataFrame(
        {"day_on": days[:-1], "begins_at": begins[:-1], "ends_at": begins[1:]},
        schema={"day_on": pl.Date, "begins_at": instant, "ends_at": instant},
    )
    return frame.with_columns(
        hours=(pl.col("ends_at") - pl.col("begins_at")).dt.total_seconds() / 3600,
        weekday=day.dt.weekday().cast(pl.Int64),
        weekday_name=day.dt.strftime("%A"),
        week_begins_on=day.dt.truncate("1w"),
        iso_week=day.dt.strftime("%G-W%V"),
        month=day.dt.strftime("%Y-%m"),
        time_zone=pl.lit(time_zone),
    )


def _beginning(day: date, zone: ZoneInfo) -> datetime:
    """Return the first instant whose date in the zone is this day; in some zones the clocks change at midnight."""
    midnight = datetime.combine(day, time(), zone)
    found = midnight.astimezone(UTC)
    if found.astimezone(zone).replace(tzinfo=None) == midnight.replace(tzinfo=None):
        return found
    # The clocks skip midnight at an instant between these two.
    earlier = midnight.replace(fold=1).astimezone(UTC)
    while found - earlier > timedelta(seconds=1):
        middle = earlier + timedelta(seconds=(found - earlier) // timedelta(seconds=2))
        if middle.astimezone(zone).date() < day:
            earlier = middle
        else:
            found = middle
    return found
