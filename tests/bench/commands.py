"""Measures short commands in turn with the job as it was at the snapshot: on nothing, and beside millions of tasks."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from statistics import median

import psycopg
from rich.table import Table

from tests.bench.environments import SNAPSHOT, snapshot_program
from tests.bench.parts import FIRST_ID, FOR_THE_API, NAMES, ONE_MILLISECOND, Measured, Sizes, databases, measure
from tests.bench.side_by_side import JOB, Variables

ON_NOTHING = ("--version", "--help", "plan", "status", "query stuck_tasks", "run")
BESIDE_MILLIONS = ("plan", "status")

NO_API = FOR_THE_API | {"TASK_AUDIT_API__BASE_URL": "http://127.0.0.1:9"}
"""A run with nothing to do sends no request."""

FILL = """
INSERT INTO pending_task (task_id, submitted_at)
SELECT (%s + n * %s)::text, timestamptz '2026-11-01' + n * interval '0.5 second'
FROM generate_series(1::bigint, %s) AS n
"""


def tables(sizes: Sizes, postgres: str) -> Iterator[Table]:
    """Measure on an empty queue and warehouse of each engine, then beside a long queue on PostgreSQL."""
    for engine in sizes.engines:
        yield _compared(f"{NAMES[engine]}, nothing to do", engine, ON_NOTHING, sizes, postgres)
    title = f"PostgreSQL, {sizes.pending:,} pending tasks"
    yield _compared(title, "postgresql", BESIDE_MILLIONS, sizes, postgres, pending=sizes.pending)


def _compared(
    title: str, engine: str, commands: tuple[str, ...], sizes: Sizes, postgres: str, *, pending: int = 0
) -> Table:
    programs = (str(JOB), str(snapshot_program()))
    columns = ("seconds", "CPU s", f"{SNAPSHOT}, seconds", "CPU s", "share of seconds", "share of CPU")
    table = Table("command", title=f"Commands: {title}; medians of {sizes.repetitions} in turn", title_justify="left")
    for column in columns:
        table.add_column(column, justify="right")
    with ExitStack() as installed:
        variables = {
            program: installed.enter_context(_installation(program, engine, postgres, pending)) for program in programs
        }
        for command in commands:
            rounds = [
                [measure([program, *command.split()], each) for program, each in variables.items()]
                for _ in range(sizes.repetitions + 1)
            ]
            # The first round fills the caches.
            table.add_row(command, *_figures(rounds[1:]))
    return table


@contextmanager
def _installation(program: str, engine: str, postgres: str, pending: int) -> Iterator[Variables]:
    with databases(engine, postgres) as (source, warehouse):
        variables = NO_API | {"TASK_AUDIT_SOURCE__URL": source, "TASK_AUDIT_WAREHOUSE__URL": warehouse}
        measure([program, "init"], variables)
        if pending:
            with psycopg.connect(source, autocommit=True) as connection:
                connection.execute(FILL, [FIRST_ID, ONE_MILLISECOND, pending])
                connection.execute("VACUUM ANALYZE pending_task")
        yield variables


def _figures(rounds: list[list[Measured]]) -> Iterator[str]:
    for own_or_before in zip(*rounds, strict=True):
        yield f"{median(each.seconds for each in own_or_before):.2f}"
        yield f"{median(each.cpu_seconds for each in own_or_before):.2f}"
    yield f"{median(own.seconds / before.seconds for own, before in rounds):.2f}"
    yield f"{median(own.cpu_seconds / before.cpu_seconds for own, before in rounds):.2f}"
