"""Measures what the index on the history costs a load and saves a question, on PostgreSQL with a million facts."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from statistics import median

from pydantic import SecretStr
from rich.table import Table
from sqlalchemy import Engine

from etl.database.connections import open_engine
from etl.jobs.parameters import read_parameters
from etl.times.night import night_of
from etl.warehouse.load.loader import Warehouse
from etl.warehouse.read.questions import ask, questions
from etl.warehouse.schema import upgrade_warehouse
from tests.bench.loaders import facts_of, load_all
from tests.bench.parts import FIRST_ID, ONE_MILLISECOND, Sizes, databases, million_facts

INDEX = "fact_task_status_change_observed_at"
QUESTIONS = ("last_nights_failures", "what_changed")
BEFORE_ALL = FIRST_ID - 10_000_000 * ONE_MILLISECOND


def tables(sizes: Sizes, postgres: str) -> Iterator[Table]:
    """Measure loads and questions with and without the index, in turns."""
    table = Table("", "with", "without", "ratio", title=f"The index on the history, at {sizes.facts:,} facts")
    with databases("postgresql", postgres) as (url, _):
        engine = open_engine(SecretStr(url), name="the warehouse")
        upgrade_warehouse(engine)
        million_facts(engine, sizes.facts)
        seconds: dict[str, tuple[list[float], list[float]]] = {}
        for turn in range(2 * sizes.repetitions):
            _set_index(engine, is_there=turn % 2 == 0)
            for name, value in _measured(engine, turn):
                seconds.setdefault(name, ([], []))[turn % 2].append(value)
        engine.dispose()
    for name, (with_it, without) in seconds.items():
        ratio = median(with_it) / median(without)
        table.add_row(name, f"{median(with_it) * 1000:,.0f} ms", f"{median(without) * 1000:,.0f} ms", f"{ratio:.2f}")
    yield table


def _set_index(engine: Engine, *, is_there: bool) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(f"DROP INDEX IF EXISTS {INDEX}")
        if is_there:
            connection.exec_driver_sql(f"CREATE INDEX {INDEX} ON fact_task_status_change (observed_at)")
        connection.exec_driver_sql("ANALYZE fact_task_status_change")


def _measured(engine: Engine, turn: int) -> Iterator[tuple[str, float]]:
    ids = [str(BEFORE_ALL + (turn * 20_000 + each) * ONE_MILLISECOND) for each in range(20_000)]
    batches = [facts_of(ids[start : start + 5_000], datetime.now(UTC), 2) for start in range(0, len(ids), 5_000)]
    started = time.perf_counter()
    load_all(Warehouse(engine), batches)
    yield "loading 5,000 fresh facts", (time.perf_counter() - started) / len(batches)
    for name in QUESTIONS:
        question = questions("postgresql")[name]
        values = read_parameters(question, {}, now=(now := datetime.now(UTC)), last_night=night_of(now))
        started = time.perf_counter()
        ask(engine, question, values)
        yield name, time.perf_counter() - started
