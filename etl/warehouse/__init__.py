"""The warehouse: tables, migrations and views, and the loader that writes a batch in one transaction.

``etl.normalize`` makes the facts. This package decides only whether a fact has changed.
"""

from collections.abc import Sequence
from typing import Protocol

from etl.runs import AuditRun, Counters
from etl.warehouse.load.batch import Batch, Within


class Loader(Protocol):
    """What a run needs of a warehouse."""

    def start(self, run: AuditRun) -> None:
        """Write the row of a run that starts."""
        ...

    def load(self, batch: Batch, run: AuditRun, *, within: Within | None = None) -> AuditRun:
        """Write a batch and the run's counters, and return the counters after it."""
        ...

    def audited_by_dead_runs(self, task_ids: Sequence[str]) -> set[str]:
        """Return the tasks with a terminal fact from a run that never ended."""
        ...

    def count_unfinished(self, *, but: str) -> int:
        """Count the runs that never ended, and those that are under way, but for the run of this ID."""
        ...

    def finish(self, run: AuditRun, counters: Counters, *, within: Within | None = None) -> None:
        """Write the row of a run that has ended, and its counters."""
        ...
