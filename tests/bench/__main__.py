"""Measures the job beside its parts: ``python -m tests.bench``, or ``make bench``.

Machines differ and drift, so each part is measured beside a reference in the same run, and the result is their ratio.
The figures are for people; no measurement passes or fails.
"""

import signal
import sys
from dataclasses import replace

import click
from rich.console import Console

from tests.bench import commands, exports, indexes, loaders, memory, per_request, rate_limits, side_by_side, whole_job
from tests.bench.parts import Sizes, postgres_server

PARTS = {
    "side-by-side": side_by_side.plain,
    "latency": side_by_side.late,
    "tls": side_by_side.over_tls,
    "several-runs": side_by_side.several_runs,
    "commands": commands.tables,
    "whole-job": whole_job.tables,
    "request": per_request.tables,
    "loaders": loaders.tables,
    "indexes": indexes.tables,
    "memory": memory.tables,
    "exports": exports.tables,
    "rate-limits": rate_limits.tables,
}
WIDTH = 132

FULL = Sizes()
QUICK = Sizes(
    tasks=200,
    repetitions=1,
    engines=("postgresql",),
    batches=((100, 2),),
    memory=(200, 400),
    facts=1_000,
    exports=(500, 1_000),
    limits=(1, 200),
    pending=1_000,
)


@click.command()
@click.option("--part", "parts", type=click.Choice(list(PARTS)), multiple=True, help="Measure this alone; repeatable.")
@click.option("--tasks", type=click.IntRange(min=1), help=f"Tasks of the whole job; {FULL.tasks:,} by default.")
@click.option("--rounds", type=click.IntRange(min=1), help=f"Measurements of each; {FULL.repetitions} by default.")
@click.option("--quick", is_flag=True, help="A few tasks only: shows that everything works, and measures nothing.")
def bench(*, parts: tuple[str, ...], tasks: int | None, rounds: int | None, quick: bool) -> None:
    """Measure the job beside its parts, and print ratios."""
    sizes = QUICK if quick else FULL
    if tasks:
        sizes = replace(sizes, tasks=tasks)
    if rounds:
        sizes = replace(sizes, repetitions=rounds)
    console = Console()
    console.width = max(console.width, WIDTH)
    with postgres_server() as postgres:
        for part in parts or PARTS:
            for table in PARTS[part](sizes, postgres):
                console.print(table)


if __name__ == "__main__":
    # A signal also ends the processes that this one has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    bench()
