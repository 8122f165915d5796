"""Measures the rows per second of each loader, beside the engine's bulk copy of the same frames into a table."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from statistics import median
from types import SimpleNamespace
from typing import Any

import polars as pl
from pydantic import SecretStr
from rich.table import Table
from sqlalchemy import Column, Connection, Engine, MetaData, delete
from sqlalchemy import Table as SqlTable

from etl.database.connections import open_engine
from etl.database.engines.base import plain_text
from etl.normalize import COLUMNS, FactRow
from etl.runs import AuditRun, begin_run
from etl.tasks import Selection
from etl.warehouse.load.batch import Batch
from etl.warehouse.load.loader import Warehouse
from etl.warehouse.schema import upgrade_warehouse
from etl.warehouse.temporary_tables import stage_facts
from tests.bench.parts import NAMES, Sizes, databases, new_table, task_ids

MORNING = datetime(2026, 11, 2, 3, tzinfo=UTC)

SCENARIOS = {"fresh": (0, 2), "unchanged": (1, 2), "all changed": (2, 3)}
"""Hours after the first observation, and the status observed."""

plain_copy = SqlTable(
    "plain_copy",
    MetaData(),
    *(Column(each.name, each.type, primary_key=each.name == "task_id") for each in stage_facts.c),
)


def tables(sizes: Sizes, postgres: str) -> Iterator[Table]:
    """Measure each engine."""
    for rows, batches in sizes.batches:
        title = f"Loaders: {batches} batches of {rows:,} rows; rows/s, and their share of the plain bulk copy"
        table = new_table(title, "bulk copy", *(each for scenario in SCENARIOS for each in (scenario, "share")))
        frames = {scenario: _frames(rows, batches, *story) for scenario, story in SCENARIOS.items()}
        for engine, name in NAMES.items():
            with databases(engine, postgres) as (_, url):
                table.add_row(name, *_cells(url, frames, rows))
        yield table


def _frames(rows: int, batches: int, hours: int, status: int) -> list[list[FactRow]]:
    ids = task_ids(rows * batches)
    return [
        facts_of(ids[start : start + rows], MORNING + timedelta(hours=hours), status)
        for start in range(0, len(ids), rows)
    ]


def facts_of(ids: list[str], observed_at: datetime, status: int) -> list[FactRow]:
    constants = {
        "task_name": "lym0412normal",
        "task_type": 0,
        "tenant_id": "d5ac574bd2934a69baa4f23c55daa8d4",
        "user_id": "1390000004871666",
        "status": status,
        "result_code": "18000205" if status == 3 else None,
        "response_code": "0",
        "response_message": "success",
        "submitted_at": MORNING - timedelta(days=1),
        "submitted_at_source": "queue",
        "observed_at": observed_at,
    }
    return [tuple((constants | {"task_id": task_id})[name] for name in COLUMNS) for task_id in ids]


def _cells(url: str, frames: dict[str, list[list[FactRow]]], rows: int) -> Iterator[str]:
    with _warehouse(url) as warehouse:
        seconds = {scenario: _times(warehouse, batches) for scenario, batches in frames.items()}
    yield f"{rows / median(copied for times in seconds.values() for _, copied in times):,.0f}"
    for times in seconds.values():
        yield f"{rows / median(loaded for loaded, _ in times):,.0f}"
        yield f"{median(copied / loaded for loaded, copied in times):.2f}"


@contextmanager
def _warehouse(url: str) -> Iterator[Warehouse]:
    engine = open_engine(SecretStr(url), name="the warehouse", create=True)
    try:
        upgrade_warehouse(engine)
        plain_copy.create(engine)
        yield Warehouse(engine)
    finally:
        engine.dispose()


def _times(warehouse: Warehouse, batches: list[list[FactRow]]) -> list[tuple[float, float]]:
    """Load and copy each batch; returns the seconds of both."""
    run = begin_run(Selection(), max_rate=1, now=MORNING)
    warehouse.start(run)
    with warehouse.engine.begin() as connection:
        connection.execute(delete(plain_copy))
    times = []
    for facts in batches:
        copied, _ = _timed(lambda facts=facts: _copy(warehouse.engine, facts))
        # Each load continues with the counters of the one before: a load with the same counters counts as repeated.
        loaded, run = _timed(lambda facts=facts, run=run: warehouse.load(Batch(facts=facts, audited=len(facts)), run))
        times.append((loaded, copied))
    if run.audited != sum(map(len, batches)):
        raise RuntimeError(f"a load was left out: {run}")
    return times


def load_all(warehouse: Warehouse, batches: list[list[FactRow]]) -> AuditRun:
    """Load batches in a run of their own; gives back its counters."""
    run = begin_run(Selection(), max_rate=1, now=MORNING)
    warehouse.start(run)
    for facts in batches:
        run = warehouse.load(Batch(facts=facts, audited=len(facts)), run)
    return run


def write_ahead_log(engine: Engine) -> int:
    """Say how many bytes PostgreSQL has written to its log."""
    with engine.connect() as connection:
        return int(connection.exec_driver_sql("SELECT pg_current_wal_lsn() - '0/0'").scalar_one())


def _timed(do: Callable[[], Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    result = do()
    return time.perf_counter() - started, result


def _copy(engine: Engine, facts: list[FactRow]) -> None:
    with engine.begin() as connection:
        COPIES[engine.dialect.name](connection, facts)


def _copy_to_postgresql(connection: Connection, facts: list[FactRow]) -> None:
    cursor: Any = connection.connection.cursor()
    with cursor.copy(f"COPY plain_copy ({', '.join(COLUMNS)}) FROM STDIN") as copy:
        for row in facts:
            copy.write_row(row)


def _copy_to_duckdb(connection: Connection, facts: list[FactRow]) -> None:
    driver: Any = connection.connection.driver_connection
    # DuckDB reads a frame of polars faster than anything else, and without pyarrow if it gets only its Arrow stream.
    frame = pl.DataFrame(facts, schema=list(COLUMNS), orient="row")
    driver.register("frame", SimpleNamespace(__arrow_c_stream__=frame.__arrow_c_stream__))
    connection.exec_driver_sql("INSERT INTO plain_copy SELECT * FROM frame")
    driver.unregister("frame")


def _copy_to_sqlite(connection: Connection, facts: list[FactRow]) -> None:
    rows = [tuple(plain_text(value) if isinstance(value, datetime) else value for value in row) for row in facts]
    connection.exec_driver_sql(f"INSERT INTO plain_copy VALUES ({', '.join('?' * len(COLUMNS))})", rows)


COPIES = {"postgresql": _copy_to_postgresql, "duckdb": _copy_to_duckdb, "sqlite": _copy_to_sqlite}
