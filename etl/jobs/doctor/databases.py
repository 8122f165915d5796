"""Checks the databases: access, version, the rights that a run needs, and the clock."""

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime

from sqlalchemy import Engine, Table, delete, false, func, insert, literal_column, select, update

from etl.database.clock import clock_of, system_clock
from etl.database.engines import engine_of
from etl.jobs.doctor.finding import CLOCK_SKEW_TO_WARN, Finding, warning
from etl.jobs.opening import nothing_settled, open_queue, open_user_table, open_warehouse
from etl.rate.table import rate_table
from etl.runs import RunRequest
from etl.settings.load import Configuration
from etl.warehouse.schema import warehouse_schema
from etl.warehouse.tables import METADATA
from etl.warehouse.temporary_tables import stage_facts

WRITES: Mapping[str, Collection[str]] = {
    "fact_task_status": {"insert", "update"},
    "fact_task_status_change": {"insert", "update", "delete"},
    "dim_task_status": {"insert"},
    "dim_task_type": {"insert"},
    "dim_result_code": {"insert", "update"},
    "dim_tenant": {"insert"},
    "dim_day": {"insert", "update"},
    "dead_letter": {"insert", "update"},
    "audit_run": {"insert", "update"},
    "audit_run_counter": {"insert"},
    "notification": {"insert", "update"},
}
"""The kinds of statements by which a run writes to each table of the warehouse."""


def examine_queue(configuration: Configuration) -> Iterator[Finding]:
    """Open the job's own pending table, and check whether a run could write to it."""
    with open_queue(configuration.settings.source) as (engine, table):
        _try_writing(engine, {table: {"update"}, rate_table(table): {"update"}})
        with engine.execution_options(read_only=True).connect() as connection:
            rows = connection.execute(select(func.count()).select_from(table)).scalar_one()
        message = f"{table.fullname} is of this version, may be written to, and holds {rows:,} tasks."
        yield from _examined("pending database", engine, message=message)


def examine_user_table(configuration: Configuration) -> Iterator[Finding]:
    """Read a row of the user's own table as a run would."""
    settings = configuration.settings.source
    with open_user_table(settings, RunRequest(), settled=nothing_settled):
        message = f"{settings.table} can be read as configured, and is never written to."
        yield Finding(subject="pending database", said=message)


def examine_warehouse(configuration: Configuration) -> Iterator[Finding]:
    """Open the warehouse, and check whether a run could load a batch."""
    with open_warehouse(configuration.settings.warehouse) as warehouse:
        _try_loading(warehouse.engine, warehouse_schema(configuration.settings.warehouse.schema_name).version)
        message = "its tables are of this version, and may be written to."
        yield from _examined("warehouse", warehouse.engine, message=message)


def _try_loading(engine: Engine, version: Table) -> None:
    """Take the turn of a load and stage no rows, and try to write to each table as a run does."""
    with engine.connect() as connection, connection.begin() as transaction:
        engine_of(connection).lock_loads(connection, version)
        with engine_of(connection).staged(connection, [], stage_facts):
            pass
        transaction.rollback()
    _try_writing(engine, {METADATA.tables[name]: rights for name, rights in WRITES.items()})


def _try_writing(engine: Engine, writes: Mapping[Table, Collection[str]]) -> None:
    """Run the kinds of statements of a run on no rows: the database still refuses a missing right."""
    with engine.connect() as connection, connection.begin() as transaction:
        for table, kinds in writes.items():
            last = table.columns.values()[-1]
            statements = {
                "insert": insert(table).from_select(list(table.columns), select(table).where(false())),
                "update": update(table).where(false()).values({last: last}),
                "delete": delete(table).where(false()),
            }
            for kind in kinds:
                connection.execute(statements[kind])
        transaction.rollback()


def _examined(subject: str, engine: Engine, *, message: str) -> Iterator[Finding]:
    asked_at: datetime = system_clock()
    ahead = (clock_of(engine)() - asked_at).total_seconds()
    if abs(ahead) > CLOCK_SKEW_TO_WARN.total_seconds():
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
    return f" A session that sets no time zone shows times in {zone}; the job's sessions use UTC."
