"""Opens the pending database, the queue and the warehouse for all jobs."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import Engine, Table

from etl.database.clock import Clock, clock_of
from etl.database.connections import open_engine
from etl.database.versions import Upgrade, require_current
from etl.error_codes import Code
from etl.errors import ConfigurationError
from etl.runs import RunRequest
from etl.settings.load import Settings
from etl.settings.model import SourceSettings, WarehouseSettings
from etl.source.read_only import ReadOnlySource, Settled, user_relation
from etl.source.schema import queue_schema, upgrade_queue
from etl.source.tables import pending_table
from etl.warehouse.load.loader import Warehouse
from etl.warehouse.schema import upgrade_warehouse


@contextmanager
def open_source(settings: SourceSettings, *, create: bool = False, read_only: bool = False) -> Iterator[Engine]:
    """Open the pending database.

    Args:
        settings: the database.
        create: whether a database file may be created.
        read_only: whether no transaction may write.
    """
    is_qualified = "." in settings.table
    engine = open_engine(settings.url, name="the pending database", create=create, finds_tables=not is_qualified)
    try:
        yield engine.execution_options(read_only=True) if read_only else engine
    finally:
        engine.dispose()


@contextmanager
def open_queue(settings: SourceSettings, *, read_only: bool = False) -> Iterator[tuple[Engine, Table]]:
    """Open the job's own pending table, and check its version.

    Args:
        settings: the database and the table.
        read_only: whether no transaction may write.

    Raises:
        ConfigurationError: the pending table is the user's own, or not of this program's version.
    """
    if settings.mode != "queue":
        raise ConfigurationError(
            "The pending table is your own (source.mode is read_only), so nothing is added to it here.",
            code=Code.SOURCE_READ_ONLY,
            remedy="Add rows to it by your own means, or use mode = 'queue'.",
        )
    table = pending_table(settings.table)
    with open_source(settings, read_only=read_only) as engine:
        with engine.connect() as connection:
            require_current(connection, queue_schema(table))
        yield engine, table


@contextmanager
def open_warehouse(settings: WarehouseSettings, *, read_only: bool = False) -> Iterator[Warehouse]:
    """Open the warehouse, and check its version.

    Args:
        settings: the warehouse.
        read_only: whether the caller only reads, so that it shares a DuckDB file with other readers, and no transaction
            may write.
    """
    engine = open_engine(settings.url, name="the warehouse", schema=settings.schema_name, read_only=read_only)
    try:
        reached = engine.execution_options(read_only=True) if read_only else engine
        warehouse = Warehouse(reached, schema=settings.schema_name)
        warehouse.require_current()
        yield warehouse
    finally:
        engine.dispose()


def initialize(settings: Settings) -> list[Upgrade]:
    """Create or upgrade the warehouse, and the pending table if it is the job's own."""
    done = []
    if settings.source.mode == "queue":
        with open_source(settings.source, create=True) as engine:
            done.append(upgrade_queue(engine, pending_table(settings.source.table)))
    schema = settings.warehouse.schema_name
    engine = open_engine(settings.warehouse.url, name="the warehouse", schema=schema, create=True)
    try:
        done.append(upgrade_warehouse(engine, schema=schema, time_zone=settings.warehouse.time_zone))
    finally:
        engine.dispose()
    return done


@contextmanager
def open_user_table(
    settings: SourceSettings, request: RunRequest, *, settled: Settled
) -> Iterator[tuple[ReadOnlySource, Clock]]:
    """Open the user's own pending table, with the clock of its database; the arguments are those of ``user_table``.

    Raises:
        ConfigurationError: the table is not what the settings say.
    """
    with open_source(settings) as engine:
        yield user_table(settings, request, engine=engine, settled=settled), clock_of(engine)


def user_table(settings: SourceSettings, request: RunRequest, *, engine: Engine, settled: Settled) -> ReadOnlySource:
    """Make the source that reads the user's own table, and check the table.

    Args:
        settings: the table.
        request: the tasks to ask about.
        engine: the database of the table.
        settled: returns those of some tasks that need not be asked about any more, as the warehouse knows them.

    Raises:
        ConfigurationError: the table is not what the settings say.
    """
    source = ReadOnlySource(
        engine,
        user_relation(settings),
        request.selection,
        settled=nothing_settled if request.selection.refetch else settled,
        careful=user_relation(settings, careful=True),
    )
    source.check()
    return source


def nothing_settled(_task_ids: Sequence[str]) -> set[str]:
    """Treat every task as open."""
    return set()


def max_rate_of(settings: Settings, request: RunRequest) -> float:
    """Return the requests per second that this run may send; shards divide the rate, since they share no row."""
    shard = request.selection.shard
    return settings.api.max_rate / shard.count if shard else settings.api.max_rate
