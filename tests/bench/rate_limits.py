"""Measures how much of simulated hidden limits the job uses, beside additive increase and botocore's adaptive mode."""

from collections.abc import Iterator

from rich.table import Table

from tests.bench.parts import Sizes
from tests.simulation.rate_lab.__main__ import CLIENTS, measured


def tables(sizes: Sizes, _postgres: str) -> Iterator[Table]:
    """Let each client find each limit, on virtual time."""
    seeds, tasks = sizes.limits
    title = f"{tasks:,} tasks, {seeds} nights: part of the limit / of the worst twentieth / refused in percent"
    table = Table("the API", *CLIENTS, title=title, title_justify="left")
    for row in measured(CLIENTS, seeds=seeds, tasks=tasks):
        table.add_row(*row)
    yield table
