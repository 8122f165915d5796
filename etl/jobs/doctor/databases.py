"""Checks the databases: access, version, the rights that a run needs, and the clock."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import polars as pl
from sqlalchemy import Connection, Engine, Table, false, func, insert, literal_column, select, update

from etl.database.clock import clock_of, system_clock
from etl.database.engines import engine_of
from etl.jobs.doctor.finding import Finding, warning
from etl.jobs.opening import open_queue, open_user_table, open_warehouse
from etl.normalize import FACTS
from etl.rate.table import rate_table
from etl.runs import RunRequest
from etl.settings.load import Configuration
from etl.tasks import Selection
from etl.warehouse.tables import METADATA, stage_facts

MAX_CLOCK_SKEW = timedelta(seconds=30)
"""Runs use the server's clock; a larger difference would confuse a person who compares times."""


def examine_queue(configuration: Configuration) -> Iterator[Finding]:
    """Open the job's own pending table, and check whether a run could write to it."""
    with open_queue(configuration.settings.source) as (engine, table):
        _try_writing(engine, [table, rate_table(table)])
        with engine.execution_options(read_only=True).connect() as connection:
            rows = connection.execute(select(func.count()).select_from(table)).scalar_one()
        message = f"{table.fullname} is of this version, may be written to, and holds {rows:,} tasks."
        yield from _examined("pending database", engine, message=message)


def examine_user_table(configuration: Configuration) -> Iterator[Finding]:
    """Read a row of the user's own table as a run would."""
    settings = configuration.settings
    with open_warehouse(settings.warehouse) as warehouse:
        request = RunRequest(selection=Selection(refetch=True))
        with open_user_table(settings.source, request, warehouse=warehouse):
            message = f"{settings.source.table} can be read as configured, and is never written to."
            yield Finding(subject="pending database", said=message)


def examine_warehouse(configuration: Configuration) -> Iterator[Finding]:
    """Open the warehouse, and check whether a run could load a batch."""
    with open_warehouse(configuration.settings.warehouse) as warehouse:
        _try_writing(warehouse.engine, METADATA.sorted_tables, stages=True)
        message = "its tables are of this version, and may be written to."
        yield from _examined("warehouse", warehouse.engine, message=message)


def _try_writing(engine: Engine, tables: Sequence[Table], *, stages: bool = False) -> None:
    """Run the statements of a run on no rows: the database still refuses a missing right."""
    with engine.connect() as connection, connection.begin() as transaction:
        if stages:
            _try_staging(connection)
        for table in tables:
            first = table.columns.values()[-1]
            connection.execute(update(table).where(false()).values({first: first}))
            connection.execute(insert(table).from_select(list(table.columns), select(table).where(false())))
        transaction.rollback()


def _try_staging(connection: Connection) -> None:
    with engine_of(connection).staged(connection, pl.DataFrame(schema=FACTS), stage_facts):
        pass


def _examined(subject: str, engine: Engine, *, message: str) -> Iterator[Finding]:
    asked_at: datetime = system_clock()
    ahead = (clock_of(engine)() - asked_at).total_seconds()
    if abs(ahead) > MAX_CLOCK_SKEW.total_seconds():
        yield warning(
            subject,
            f"Its clock is {abs(ahead):,.0f} s {'ahead of' if ahead > 0 else 'behind'} this machine's.",
            remedy="Synchronize both by NTP; runs use the database's clock.",
        )
    yield from _left_out(subject, engine)
    yield Finding(subject=subject, said=f"{engine_of(engine).name}: {message}{_zone(engine)}")


def _left_out(subject: str, engine: Engine) -> Iterator[Finding]:
    with engine.execution_options(read_only=True).connect() as connection:
        left_out = engine_of(engine).left_out_of_path(connection)
    for schema in left_out:
        yield warning(
            subject,
            f"The job does not search the schema {schema}, since PUBLIC may create objects in it.",
            remedy=f"Run as its owner: REVOKE CREATE ON SCHEMA {schema} FROM PUBLIC.",
        )


def _zone(engine: Engine) -> str:
    zone_sql = engine_of(engine).zone_sql
    if zone_sql is None:
        return ""
    with engine.execution_options(read_only=True).connect() as connection:
        zone = connection.scalar(select(literal_column(zone_sql)))
    return f" Sessions of others show times in {zone}; the job's are in UTC."
