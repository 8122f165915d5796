"""Where the facts live: tables, migrations and views, and the loader that writes a batch in one transaction.

What a fact is was decided before it came here; this room decides only whether it is news.
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
        """Write a batch and the run's counters; returns the counters after it."""
        ...

    def audited_by_dead_runs(self, task_ids: Sequence[str]) -> set[str]:
        """Say of which tasks a run that never ended has written how they ended."""
        ...

    def finish(self, run: AuditRun, counters: Counters, *, within: Within | None = None) -> None:
        """Write the row of a run that has ended, and what its numbers are made of."""
        ...
