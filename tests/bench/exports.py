"""Measures an export in turn with the engine's own copy of the same rows into Parquet, and its memory at two sizes.

The references write the same rows in the same order. DuckDB's own copy is ``COPY … TO … (FORMAT parquet, COMPRESSION
zstd, PARTITION_BY (day))``. PostgreSQL has none: its reference is a COPY as CSV into polars, which writes the files.
"""

import io
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any

import duckdb
import polars as pl
import psycopg
from pydantic import SecretStr
from rich.table import Table

from etl.database.connections import open_engine
from etl.normalize import COLUMNS
from etl.warehouse.schema import upgrade_warehouse
from tests.bench.loaders import MORNING, facts_of
from tests.bench.parts import NAMES, Sizes, databases, measure, new_table, task_ids

ENGINES = ("duckdb", "postgresql")

CHUNK = 100_000

DAYS = 100
"""The days over which the facts are spread."""

EXPORT = [sys.executable, "-m", "etl", "export", "--json"]
FACTS = ["--table", "fact_task_status"]


def tables(sizes: Sizes, postgres: str) -> Iterator[Table]:
    """Measure each engine."""
    small, large = sizes.exports
    columns = ("rows/s", "own copy", "share", "share of CPU", "unchanged", f"MiB at {small:,}", f"at {large:,}")
    table = new_table(f"Exports: {large:,} facts in {DAYS} days", *columns)
    for engine in [each for each in ENGINES if each in sizes.engines]:
        few, many = (_figures(engine, postgres, rows, sizes.repetitions) for rows in sizes.exports)
        table.add_row(NAMES[engine], *many[:5], few[5], many[5])
    yield table


def _figures(engine: str, postgres: str, rows: int, rounds: int) -> list[str]:
    with databases(engine, postgres) as (_, url), tempfile.TemporaryDirectory(prefix="bench-") as folder:
        _fill(url, rows)
        taken = [_round(engine, url, folder, rows) for _ in range(rounds)]
        seconds, own, cpu_share, unchanged, peak = (median(figures) for figures in zip(*taken, strict=True))
        return [
            f"{rows / seconds:,.0f}",
            f"{rows / own:,.0f}",
            f"{own / seconds:.2f}",
            f"{cpu_share:.2f}",
            f"{unchanged:.1f} s",
            f"{peak:.0f}",
        ]


def _round(engine: str, url: str, folder: str, rows: int) -> tuple[float, ...]:
    """Export and copy in turn; what every command needs is left out, since the copy is already connected."""
    variables = {"TASK_AUDIT_WAREHOUSE__URL": url}
    start = measure([*EXPORT, "--table", "dim_tenant", "--out", f"{folder}/none"], variables)
    shutil.rmtree(f"{folder}/out", ignore_errors=True)
    export = measure([*EXPORT, *FACTS, "--out", f"{folder}/out"], variables)
    copy = measure([sys.executable, "-m", "tests.bench.exports", engine, url, f"{folder}/copy"], {})
    again = measure([*EXPORT, *FACTS, "--out", f"{folder}/out"], variables)
    if json.loads(export.output)["tables"][0]["written_rows"] != rows:
        raise RuntimeError(f"the export is not whole: {export.output}")
    own = json.loads(copy.output)
    return (
        export.seconds - start.seconds,
        own["seconds"],
        own["cpu"] / (export.cpu_seconds - start.cpu_seconds),
        again.seconds - start.seconds,
        export.peak_mib,
    )


def _fill(url: str, rows: int) -> None:
    """Write facts as nights do, in the order of their days."""
    engine = open_engine(SecretStr(url), name="the warehouse", create=True)
    upgrade_warehouse(engine)
    ids = task_ids(rows)
    for start in range(0, rows, CHUNK):
        chunk = facts_of(ids[start : start + CHUNK], MORNING, 2)
        facts = pl.DataFrame(chunk, schema=list(COLUMNS), orient="row").with_row_index("number", offset=start)
        day = pl.lit(MORNING) - timedelta(days=DAYS) + pl.duration(days=pl.col("number") * DAYS // rows)
        seen = {"first_seen_at": MORNING, "status_changed_at": MORNING, "last_checked_at": MORNING, "run_id": "run-1"}
        whole = facts.with_columns(
            submitted_at=day + pl.duration(microseconds=pl.col("number") * 997 % 86_400_000_000 // 2),
            **{name: pl.lit(value) for name, value in seen.items()},
        ).drop("number", "observed_at")
        _insert(engine, whole)
    engine.dispose()
    if url.startswith("postgresql"):
        # Otherwise the first reader of each row notes in it that its transaction has committed.
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE fact_task_status")


def _insert(engine: Any, facts: pl.DataFrame) -> None:
    with engine.begin() as connection:
        columns = ", ".join(facts.columns)
        if engine.dialect.name == "duckdb":
            driver = connection.connection.driver_connection
            driver.register("frame", SimpleNamespace(__arrow_c_stream__=facts.__arrow_c_stream__))
            connection.exec_driver_sql(f"INSERT INTO fact_task_status ({columns}) SELECT {columns} FROM frame")
            driver.unregister("frame")
        else:
            with connection.connection.cursor().copy(
                f"COPY fact_task_status ({columns}) FROM STDIN (FORMAT csv)"
            ) as copy:
                copy.write(facts.write_csv(include_header=False))


@contextmanager
def _timed() -> Iterator[None]:
    before, started = os.times(), time.perf_counter()
    yield
    seconds, after = time.perf_counter() - started, os.times()
    cpu = after.user + after.system - before.user - before.system
    print(json.dumps({"seconds": seconds, "cpu": cpu}))


def _copy_from_duckdb(url: str, folder: str) -> None:
    with duckdb.connect(url.removeprefix("duckdb:///"), read_only=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        with _timed():
            connection.execute(
                f"COPY (SELECT *, CAST(submitted_at AS DATE) AS day FROM fact_task_status ORDER BY day, task_id)"
                f" TO '{folder}'"
                " (FORMAT parquet, COMPRESSION zstd, PARTITION_BY (day))"
            )


def _copy_from_postgresql(url: str, folder: str) -> None:
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute("SET TimeZone = 'UTC'")
        with _timed():
            columns = [each.name for each in cursor.execute("SELECT * FROM fact_task_status LIMIT 0").description or ()]
            query = "SELECT * FROM fact_task_status ORDER BY CAST(submitted_at AS DATE), task_id"
            lines: list[bytes] = []
            with cursor.copy(f"COPY ({query}) TO STDOUT (FORMAT csv)") as copy:
                for number, line in enumerate(copy, start=1):
                    lines.append(bytes(line))
                    if number % CHUNK == 0:
                        _write(lines, columns, folder, number)
                        lines.clear()
            if lines:
                _write(lines, columns, folder, 0)


def _write(lines: list[bytes], columns: list[str], folder: str, number: int) -> None:
    times = ["submitted_at", "first_seen_at", "status_changed_at", "last_checked_at"]
    kinds = {name: pl.Int64 if name in {"task_type", "status"} else pl.String for name in columns}
    frame = pl.read_csv(io.BytesIO(b"".join(lines)), has_header=False, schema=kinds)
    as_times = pl.col(times).str.to_datetime("%Y-%m-%d %H:%M:%S%.f%#z", time_unit="us", time_zone="UTC")
    typed = frame.with_columns(as_times)
    for (day,), rows in typed.group_by(pl.col("submitted_at").dt.date(), maintain_order=True):
        file = Path(folder, f"day={day}", f"{number}.parquet")
        file.parent.mkdir(parents=True, exist_ok=True)
        rows.write_parquet(file, compression="zstd")


COPIES = {"duckdb": _copy_from_duckdb, "postgresql": _copy_from_postgresql}

if __name__ == "__main__":
    shutil.rmtree(sys.argv[3], ignore_errors=True)
    COPIES[sys.argv[1]](sys.argv[2], sys.argv[3])
