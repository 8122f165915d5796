"""Measures the job beside others that ask the same server about the same tasks: whole processes, in turn.

The others are the job as it was at the snapshot, a bare aiohttp loop, dlt tuned by hand, and duckle. Only the job has
a rate limit, retries, leases, history and a balance of numbers; the others have at most the checkpoints of duckle.
"""

import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import polars as pl
from rich.table import Table

from tests.bench.environments import peer_program, snapshot_program
from tests.bench.parts import (
    CHEAP_API,
    FOLDER,
    FOR_THE_API,
    Measured,
    Sizes,
    databases,
    measure,
    serving,
    task_ids,
)
from tests.certificates import make_authority

JOB = Path(sys.executable).with_name("task-audit")
WITHOUT_UVLOOP = [
    sys.executable,
    "-c",
    "import sys; sys.modules['uvloop'] = None; from etl.__main__ import main; main()",
]

LATE = ["--latency", "0.05"]
"""The options of a server that answers after 50 ms."""

Variables = dict[str, str]


@dataclass(frozen=True, slots=True)
class Place:
    """Where one process works: the server, the tasks, an empty folder and a server of databases."""

    base_url: str
    ids: Path
    folder: Path
    postgres: str
    variables: Variables

    @property
    def tasks(self) -> list[str]:
        """The IDs of the tasks."""
        return self.ids.read_text(encoding="utf-8").split()


Contestant = Callable[[Place], Measured]


def job(program: list[str], engine: str, *, runs: int = 1) -> Contestant:
    """Return what sets up databases, and measures one run on them, or several at the same time."""

    def contestant(place: Place) -> Measured:
        with databases(engine, place.postgres) as (source, warehouse):
            urls = {"TASK_AUDIT_SOURCE__URL": source, "TASK_AUDIT_WAREHOUSE__URL": warehouse}
            variables = place.variables | FOR_THE_API | urls | {"TASK_AUDIT_API__BASE_URL": place.base_url}
            measure([*program, "init"], variables)
            measure([*program, "enqueue", "--file", str(place.ids)], variables)
            with ThreadPoolExecutor(runs) as processes:
                started = [processes.submit(measure, [*program, "run", "--json"], variables) for _ in range(runs)]
                measured = [each.result() for each in started]
        audited = sum(json.loads(each.output)["audited"] for each in measured)
        if audited < len(place.tasks):
            raise RuntimeError(f"the job audited {audited:,} tasks")
        return Measured(
            output="",
            seconds=max(each.seconds for each in measured),
            cpu_seconds=sum(each.cpu_seconds for each in measured),
            peak_mib=max(each.peak_mib for each in measured),
        )

    return contestant


def bare(*options: str) -> Contestant:
    """Return what measures the bare loop."""
    loop = str(FOLDER / "bare_loop.py")
    return lambda place: measure([sys.executable, loop, place.base_url, str(place.ids), *options], place.variables)


def dlt(engine: str) -> Contestant:
    """Return what measures dlt."""
    python = str(peer_program("dlt", "python"))

    def contestant(place: Place) -> Measured:
        with databases(engine, place.postgres) as (_, url):
            database = url if engine == "postgresql" else url.removeprefix("duckdb:///")
            script = [str(FOLDER / "peers" / "dlt_pipeline.py"), place.base_url, str(place.ids), database]
            quiet = {"RUNTIME__DLTHUB_TELEMETRY": "false", "RUNTIME__LOG_LEVEL": "ERROR"}
            return measure([python, *script, str(place.folder / "dlt")], place.variables | quiet)

    return contestant


def duckle(*, checkpoint: bool) -> Contestant:
    """Return what measures duckle, from a CSV file to a Parquet file."""
    program = str(peer_program("duckle", "duckle"))

    def contestant(place: Place) -> Measured:
        tasks, pipeline, facts = (place.folder / name for name in ("tasks.csv", "pipeline.json", "facts.parquet"))
        tasks.write_text("task_id\n" + place.ids.read_text(encoding="utf-8"), encoding="utf-8")
        rest = {
            "urlTemplate": f"{place.base_url}/koodrive/ose/v1/task/{{task_id}}",
            "parentKeyColumn": "task_id",
            "maxRequests": 10_000_000,
            "concurrency": 64,
            "onParentError": "reject",
            "checkpoint": checkpoint,
        }
        nodes = [
            _node("csv", "src.csv", {"path": str(tasks), "allVarchar": True}),
            _node("rest", "src.rest", rest),
            _node("out", "snk.parquet", {"path": str(facts)}),
        ]
        edges = [_edge("csv", "rest"), _edge("rest", "out")]
        pipeline.write_text(json.dumps({"name": "bench", "nodes": nodes, "edges": edges}), encoding="utf-8")
        measured = measure([program, "--pipeline", str(pipeline)], place.variables)
        # duckle also ends well if it rejects tasks.
        if (rows := pl.scan_parquet(facts).select(pl.len()).collect().item()) != len(place.tasks):
            raise RuntimeError(f"duckle wrote {rows:,} rows")
        return measured

    return contestant


def _node(name: str, component: str, properties: dict[str, object]) -> dict[str, object]:
    data = {"label": name, "componentId": component, "properties": properties}
    return {"id": name, "type": component.partition(".")[0], "position": {"x": 0, "y": 0}, "data": data}


def _edge(source: str, target: str) -> dict[str, object]:
    handles = {"sourceHandle": "main", "targetHandle": "main", "data": {"connectionType": "main"}}
    return {"id": f"{source}-{target}", "source": source, "target": target, **handles}


def contestants() -> dict[str, Contestant]:
    """Return all contestants by name; the first is the reference."""
    before = [str(snapshot_program())]
    return {
        "job, PostgreSQL": job([str(JOB)], "postgresql"),
        "job, PostgreSQL, without uvloop": job(WITHOUT_UVLOOP, "postgresql"),
        "snapshot, PostgreSQL": job(before, "postgresql"),
        "job, SQLite to DuckDB": job([str(JOB)], "duckdb"),
        "job, SQLite to DuckDB, without uvloop": job(WITHOUT_UVLOOP, "duckdb"),
        "snapshot, SQLite to DuckDB": job(before, "duckdb"),
        "bare aiohttp loop": bare(),
        "bare aiohttp loop, uvloop": bare("--uvloop"),
        "dlt, Arrow by hand, PostgreSQL": dlt("postgresql"),
        "dlt, Arrow by hand, DuckDB": dlt("duckdb"),
        "duckle, Parquet": duckle(checkpoint=False),
        "duckle, Parquet, checkpoints": duckle(checkpoint=True),
    }


def plain(sizes: Sizes, postgres: str) -> Iterator[Table]:
    """Measure all without latency, so that the processor decides."""
    yield _compared("no latency", contestants(), sizes, postgres, server=[])


def late(sizes: Sizes, postgres: str) -> Iterator[Table]:
    """Measure all with latency, so that the number of requests in flight decides."""
    yield _compared("50 ms latency", contestants(), sizes, postgres, server=LATE)


def over_tls(sizes: Sizes, postgres: str) -> Iterator[Table]:
    """Measure over TLS those that trust an authority of this machine's own, which duckle does not."""
    trusting = {name: each for name, each in contestants().items() if not name.startswith("duckle")}
    with _certificate() as (options, variables):
        yield _compared("TLS", trusting, sizes, postgres, server=options, variables=variables)


def several_runs(sizes: Sizes, postgres: str) -> Iterator[Table]:
    """Measure one, two and four runs at the same time on one queue."""
    several = {f"{runs} runs, PostgreSQL": job([str(JOB)], "postgresql", runs=runs) for runs in (1, 2, 4)}
    yield _compared("runs on one queue, no latency", several, sizes, postgres, server=[])
    yield _compared("runs on one queue, 50 ms latency", several, sizes, postgres, server=LATE)


def _compared(
    title: str,
    chosen: dict[str, Contestant],
    sizes: Sizes,
    postgres: str,
    *,
    server: list[str],
    variables: Variables | None = None,
) -> Table:
    found: dict[str, list[Measured]] = {name: [] for name in chosen}
    for _ in range(sizes.repetitions):
        for name, contestant in chosen.items():
            with ExitStack() as parts:
                folder = Path(parts.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
                base_url = parts.enter_context(serving([*CHEAP_API, *server]))
                ids = folder / "ids.txt"
                ids.write_text("\n".join(task_ids(sizes.tasks)) + "\n", encoding="utf-8")
                found[name].append(contestant(Place(base_url, ids, folder, postgres, variables or {})))
    return _table(f"{title}: {sizes.tasks:,} tasks; medians of {sizes.repetitions} in turn", found, sizes.tasks)


def _table(title: str, found: dict[str, list[Measured]], tasks: int) -> Table:
    table = Table("", title=title, title_justify="left")
    for column in ("tasks/s", "CPU µs per task", "peak MiB", "tasks/s of the first", "CPU of the first"):
        table.add_column(column, justify="right")
    first = next(iter(found.values()))
    for name, measured in found.items():
        speed = median(one.seconds / each.seconds for one, each in zip(first, measured, strict=True))
        cpu = median(each.cpu_seconds / one.cpu_seconds for one, each in zip(first, measured, strict=True))
        table.add_row(
            name,
            f"{median(tasks / each.seconds for each in measured):,.0f}",
            f"{1e6 * median(each.cpu_seconds for each in measured) / tasks:,.0f}",
            f"{median(each.peak_mib for each in measured):,.0f}",
            f"{speed:.2f}",
            f"{cpu:.2f}",
        )
    return table


@contextmanager
def _certificate() -> Iterator[tuple[list[str], Variables]]:
    """Make a certificate; gives the options of the server, and the variables by which its clients trust it."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        authority = make_authority(Path(folder) / "authority")
        certificate, key = authority.issue("localhost")
        options = ["--certificate", str(certificate), "--key", str(key)]
        yield options, {"SSL_CERT_FILE": str(authority.certificate)}
