"""Measures the tasks per second of the whole job without a rate limit, beside a bare loop over the same URLs."""

import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import median

from rich.table import Table

from tests.bench.parts import (
    CHEAP_API,
    FOLDER,
    NAMES,
    STAND_IN,
    Measured,
    Sizes,
    installation,
    measure,
    new_table,
    run_job,
    serving,
    task_ids,
)

SERVERS = {"the stand-in (task-audit fake-api)": STAND_IN, "a cheap server": CHEAP_API}


MEASURES = {
    "tasks/s": "rate",
    "tasks/s without start-up": "rate_without_start",
    "CPU µs per task": "cpu_us",
}


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass over all tasks."""

    tasks: int
    process: Measured
    seconds: float
    """The duration without the start of the process."""

    @property
    def rate(self) -> float:
        """The tasks per second, including the start of the process."""
        return self.tasks / self.process.seconds

    @property
    def rate_without_start(self) -> float:
        """The tasks per second from the first to the last."""
        return self.tasks / self.seconds

    @property
    def cpu_us(self) -> float:
        """The microseconds of processor time per task, including the start of the process."""
        return 1e6 * self.process.cpu_seconds / self.tasks


def tables(sizes: Sizes, postgres: str) -> Iterator[Table]:
    """Measure against each server."""
    ids = task_ids(sizes.tasks)
    for server, command in SERVERS.items():
        title = f"Whole job: {sizes.tasks:,} tasks against {server}; medians of {sizes.repetitions}"
        table = new_table(title, "", "job", "bare loop", "job / bare")
        for engine in sizes.engines:
            with serving(command) as base_url:
                pairs = [_pair(base_url, engine, postgres, ids) for _ in range(sizes.repetitions)]
            for number, (label, attribute) in enumerate(MEASURES.items()):
                table.add_row(NAMES[engine] if number == 0 else "", label, *_cells(pairs, attribute))
            table.add_section()
        yield table


def _cells(pairs: list[tuple[Pass, Pass]], attribute: str) -> list[str]:
    jobs, bares = ([getattr(each[side], attribute) for each in pairs] for side in (0, 1))
    # Each job is compared with the loop that ran beside it, since machines drift.
    ratio = median(job / bare for job, bare in zip(jobs, bares, strict=True))
    return [f"{median(jobs):,.0f}", f"{median(bares):,.0f}", f"{ratio:.2f}"]


def _pair(base_url: str, engine: str, postgres: str, ids: list[str]) -> tuple[Pass, Pass]:
    with installation(engine, postgres, ids) as variables:
        bare = _bare(base_url, ids)
        return _job(base_url, variables, ids), bare


def _job(base_url: str, variables: dict[str, str], ids: list[str]) -> Pass:
    process = run_job(base_url, variables)
    row = json.loads(process.output)
    if row["audited"] != len(ids):
        raise RuntimeError(f"the job did not audit everything: {row}")
    seconds = datetime.fromisoformat(row["finished_at"]) - datetime.fromisoformat(row["started_at"])
    return Pass(len(ids), process, seconds.total_seconds())


def _bare(base_url: str, ids: list[str]) -> Pass:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        file = Path(folder) / "ids.txt"
        file.write_text("\n".join(ids), encoding="utf-8")
        process = measure([sys.executable, str(FOLDER / "bare_loop.py"), base_url, str(file)], {})
    return Pass(len(ids), process, float(process.output))
