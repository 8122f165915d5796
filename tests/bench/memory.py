"""Measures the peak memory of the whole job with few and with many tasks; the memory should not grow with them."""

import json
from collections.abc import Iterator

from rich.table import Table

from tests.bench.parts import CHEAP_API, NAMES, Sizes, installation, new_table, run_job, serving, task_ids

ENGINES = ("postgresql", "duckdb")
"""A client of a server, and an engine in the process."""


def tables(sizes: Sizes, postgres: str) -> Iterator[Table]:
    """Measure a small and a large job into a server and into an embedded warehouse."""
    small, large = sizes.memory
    columns = (f"{small:,} tasks", f"{large:,} tasks", "more", "large / small", f"tasks/s at {large:,}")
    table = new_table("Memory: peak resident MiB of the job's process", *columns)
    for engine in [each for each in ENGINES if each in sizes.engines]:
        (few, _), (many, rate) = (_peak_and_rate(engine, postgres, tasks) for tasks in sizes.memory)
        table.add_row(
            NAMES[engine], f"{few:.0f}", f"{many:.0f}", f"{many - few:+.0f}", f"{many / few:.2f}", f"{rate:,.0f}"
        )
    yield table


def _peak_and_rate(engine: str, postgres: str, tasks: int) -> tuple[float, float]:
    with serving(CHEAP_API) as base_url, installation(engine, postgres, task_ids(tasks)) as variables:
        process = run_job(base_url, variables)
    if json.loads(process.output)["audited"] != tasks:
        raise RuntimeError(f"the job did not audit everything: {process.output}")
    return process.peak_mib, tasks / process.seconds
